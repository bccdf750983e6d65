"""Runs are read wherever they lie and however they were left; nothing is executed."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import jaxdebug as jd
from jaxdebug.findings.finding import found
from jaxdebug.reports import Verdict
from jaxdebug.training.errors import RunError
from jaxdebug.training.layout import Layout, Row
from jaxdebug.training.store import open_run
from tests.slow import quick_cases
from tests.training.processes import run as run_script

LAYOUT = Layout(
    (
        Row("conv", "forward", "output"),
        Row("conv", "backward", "cotangent"),
        Row("dense", "forward", "output"),
    ),
    ("rms", "mean"),
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    with open_run(folder) as writer:
        for step in range(200):
            writer.write_scalars(step, {"loss": 1.0})
        writer.write_sample(5, LAYOUT, np.arange(6.0).reshape(3, 2))
        writer.write_checksums(5, ("w",), np.array([1]))
        writer.write_histogram(5, "w", [0, 1], [2])
        writer.write_event(5, "note", {"a": 1})
    return folder


def damaged(recorded: Path, folder: Path, statement: str, *values: Any) -> Path:
    """A copy of the run in which a statement was executed."""
    file = folder / "run.sqlite"
    shutil.copy(recorded / "run.sqlite", file)
    with sqlite3.connect(file) as connection:
        connection.execute(statement, values)
    connection.close()
    return file


def test_the_folder_and_the_file_are_the_same(recorded: Path) -> None:
    one, two = jd.load_run(recorded), jd.load_run(str(recorded / "run.sqlite"))
    assert one.path == two.path
    assert one.verdict is Verdict.PASS
    assert "no findings recorded; last step 199, 1 samples; closed" in str(one)


def test_a_file_copied_alone_is_read(recorded: Path, tmp_path: Path) -> None:
    # Its name may hold what means something in a URI.
    copy = tmp_path / "a?mode=rwc#%41 b.sqlite"
    shutil.copy(recorded / "run.sqlite", copy)
    assert len(jd.load_run(copy).scalars["loss"].steps) == 200
    assert os.listdir(tmp_path) == [copy.name]


def test_reading_needs_no_jax(recorded: Path) -> None:
    script = (
        "import sys, jaxdebug as jd\n"
        "jd.load_run(sys.argv[1]).to_json(), str(jd.compare_runs(*[sys.argv[1]] * 2))\n"
        "import jaxdebug.training.sinks\n"
        "assert not {'jax', 'ml_dtypes', 'flax'} & set(sys.modules)\n"
    )
    run_script(script, recorded)


def test_what_is_not_there_is_named(recorded: Path) -> None:
    run = jd.load_run(recorded)
    assert run.statistic("dense", "mean").values.tolist() == [5.0]
    assert run.statistic("conv", "rms", kind="cotangent").values.tolist() == [2.0]
    assert run.statistic("conv", "rms", direction="forward").values.tolist() == [0.0]
    with pytest.raises(KeyError, match="several rows of 'conv'; give kind="):
        run.statistic("conv", "rms")
    with pytest.raises(KeyError, match=r"no such row of 'dens'; of 2 paths.*dense"):
        run.statistic("dens", "rms")
    with pytest.raises(KeyError, match="no statistic 'std'; there are: rms, mean"):
        run.statistic("conv", "std")


def test_findings_make_the_verdict(tmp_path: Path) -> None:
    finding = found("nonfinite-gradient", "dense/kernel", "3 NaN", evidence={"n": 3})
    with open_run(tmp_path) as writer:
        writer.write_scalars(1, {"loss": 1.0})
        writer.write_finding(1, finding)
    run = jd.load_run(tmp_path)
    assert run.findings == (finding,)
    assert run.verdict is Verdict.FAIL
    assert not run.ok
    assert "dense/kernel: 3 NaN" in str(run)


def test_an_empty_run_is_inconclusive(tmp_path: Path) -> None:
    open_run(tmp_path).close()
    run = jd.load_run(tmp_path)
    assert run.verdict is Verdict.INCONCLUSIVE
    assert "nothing was recorded" in str(run)
    assert run.table()["value"].shape == (0,)
    with pytest.raises(KeyError, match="there are: none"):
        run.statistic("a", "rms")


def test_pandas_is_optional(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = jd.load_run(recorded)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas; table"):
        run.to_pandas()
    module = ModuleType("pandas")
    vars(module)["DataFrame"] = lambda columns: SimpleNamespace(columns=columns)
    monkeypatch.setitem(sys.modules, "pandas", module)
    frame = run.to_pandas(path="dense")
    assert frame.columns["value"].tolist() == [4.0, 5.0]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "holds no tables and is 0 bytes long"),
        (b"x", "holds no tables and is 1 bytes long: it was cut off"),
        (b"SQLite format 3\0" + bytes(84), "is damaged, or none|of another kind"),
        (b"\x89PNG" * 1000, "is damaged, or none: file is not a database"),
    ],
)
def test_a_file_of_another_kind_is_refused(
    tmp_path: Path, content: bytes, match: str
) -> None:
    (tmp_path / "run.sqlite").write_bytes(content)
    with pytest.raises(RunError, match=match):
        jd.load_run(tmp_path)


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("UPDATE samples SET dtype = ?", "object"),
        ("UPDATE samples SET shape = ?", "[2, 3]"),
        ("UPDATE samples SET shape = ?", "[4, 2]"),
        ("UPDATE samples SET shape = ?", "[" * 100_000),
        ("UPDATE samples SET shape = ?", "[1000000000000, 1000000000000]"),
        ("UPDATE samples SET data = ?", b"\x80\x04cos\nsystem\n"),
        ("UPDATE samples SET data = ?", "text"),
        ("UPDATE samples SET layout = ?", 99),
        ("UPDATE samples SET session = ?", 99),
        ("UPDATE samples SET step = ?", "five"),
        ("UPDATE scalars SET value = ?", "one"),
        ("UPDATE scalars SET name = ?", 99),
        ("UPDATE scalars SET session = ?", 99),
        ("UPDATE scalars SET step = ?", "five"),
        ("UPDATE names SET name = ? WHERE id = 1", "no JSON"),
        ("UPDATE layouts SET content = ?", '{"a": 1}'),
        ("UPDATE layouts SET content = ?", '[[["a", "b"]], []]'),
        ("UPDATE edges SET shape = ?", "2"),
        ("UPDATE events SET content = ?", "{"),
        ("UPDATE events SET kind = ?", '"finding"'),
        ("UPDATE manifest SET content = ?", "[]"),
        ("UPDATE manifest SET session = ?", 7),
        ("DELETE FROM manifest WHERE session = ?", 1),
    ],
)
def test_contents_that_no_recorder_writes_are_refused(
    recorded: Path, tmp_path: Path, statement: str, value: Any
) -> None:
    file = damaged(recorded, tmp_path, statement, value)
    with pytest.raises(RunError, match="is damaged, or none"):
        jd.load_run(file)


@pytest.mark.parametrize("seed", quick_cases(range(200), range(20)))
def test_a_file_with_flipped_bytes_is_read_or_refused(
    recorded: Path, tmp_path: Path, seed: int
) -> None:
    content = bytearray((recorded / "run.sqlite").read_bytes())
    draw = random.Random(seed)
    for _ in range(20):
        content[draw.randrange(len(content))] = draw.randrange(256)
    (tmp_path / "run.sqlite").write_bytes(content)
    with contextlib.suppress(RunError):
        str(jd.load_run(tmp_path))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_half_a_file_is_refused(recorded: Path, tmp_path: Path, share: float) -> None:
    content = (recorded / "run.sqlite").read_bytes()
    (tmp_path / "run.sqlite").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(RunError, match="is damaged, or none"):
        jd.load_run(tmp_path)
