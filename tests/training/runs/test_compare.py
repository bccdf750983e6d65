"""Two runs part at the step and the place that was planted; equal ones do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdebug as jd
from jaxdebug.reports import Verdict
from jaxdebug.training.errors import RunError
from jaxdebug.training.layout import Layout, Row
from jaxdebug.training.store import open_run
from tests.checks.json_schema import problems

LAYERS = ("embed", "block_0", "block_1", "head")
LAYOUT = Layout(
    tuple(Row(layer, "forward", "output") for layer in LAYERS), ("rms", "max")
)
SCHEMAS = Path(__file__).parents[3] / "docs/schema"


def record(
    folder: Path, *, apart: dict[str, float] | None = None, **settings: Any
) -> Path:
    """Record 20 steps, every fifth sampled; add to what `apart` names from step 12."""
    added = apart or {}
    with open_run(folder, manifest={"every": 5, **settings}) as writer:
        for step in range(20):
            far = added if step >= 12 else {}
            loss = 1 / (step + 1) + far.get("loss", 0)
            writer.write_scalars(step, {"loss": loss, "bad": float("nan")})
            if step % 5:
                continue
            values = np.arange(8.0).reshape(4, 2) + step
            values[:, 0] += [far.get(layer, 0) for layer in LAYERS]
            values[3, 1] = np.inf
            writer.write_sample(step, LAYOUT, values)
            checksums = np.array([1, 2 + far.get("w", 0)]).astype(np.uint32)
            writer.write_checksums(step, ("b", "w"), checksums)
    return folder


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("left"), seed=0)


def test_equal_runs_are_equal(tmp_path: Path, left: Path) -> None:
    report = jd.compare_runs(left, record(tmp_path, seed=0))
    assert report.verdict is Verdict.PASS
    assert report.first is None
    assert report.compared == 2 + 2 + 8
    assert report.steps == 20
    assert report.manifest == report.left_only == report.right_only == ()
    assert "the runs are equal" in str(report)


@pytest.mark.parametrize(
    ("apart", "step", "what", "name"),
    [
        ({"loss": 1e-12}, 12, "scalar", "loss"),
        ({"head": 1e-6, "block_1": 1e-6}, 15, "statistic", "block_1"),
        ({"w": 1, "block_0": 1.0}, 15, "checksum", "w"),
        ({"w": 1, "loss": 1.0}, 12, "scalar", "loss"),
        ({"embed": float("nan")}, 15, "statistic", "embed"),
        ({"embed": float("inf")}, 15, "statistic", "embed"),
    ],
)
def test_where_runs_part_is_named(
    tmp_path: Path, left: Path, apart: dict, step: int, what: str, name: str
) -> None:
    report = jd.compare_runs(left, jd.load_run(record(tmp_path, apart=apart)))
    first = report.first
    assert first is not None
    assert (first.step, first.what, first.name) == (step, what, name)
    assert report.verdict is Verdict.FAIL
    assert len(report.partings) == len(apart)
    assert f"the runs part at step {step}: {what} {name}" in str(report)
    if what == "statistic":
        assert first.kind == "forward output rms"
    # Seen from the other side.
    assert jd.compare_runs(tmp_path, left).first.name == name  # type: ignore[union-attr]


def test_a_tolerance_is_relative(tmp_path: Path, left: Path) -> None:
    right = record(tmp_path, apart={"loss": 1e-6, "head": 1e-6, "w": 1})
    assert len(jd.compare_runs(left, right).partings) == 3
    assert [p.name for p in jd.compare_runs(left, right, rtol=1e-4).partings] == ["w"]
    assert len(jd.compare_runs(left, right, rtol=1e-9).partings) == 3
    for wrong in (-1, 2, float("nan")):
        with pytest.raises(ValueError, match="expected rtol from 0 to 1"):
            jd.compare_runs(left, right, rtol=wrong)


def test_what_only_one_run_has_is_listed(tmp_path: Path, left: Path) -> None:
    with open_run(tmp_path, manifest={"every": 7, "optimizer": {"lr": 0.1}}) as writer:
        writer.write_scalars(3, {"loss": 0.25, "accuracy": 0.5})
    report = jd.compare_runs(left, tmp_path)
    assert report.verdict is Verdict.PASS
    assert (report.compared, report.steps) == (1, 1)
    assert report.right_only == ("scalar accuracy",)
    assert "checksum w" in report.left_only
    assert "statistic head forward output rms" in report.left_only
    assert report.manifest == (
        ("every", 5, 7),
        ("seed", 0, None),
        ("optimizer", None, {"lr": 0.1}),
    )


def test_runs_without_a_common_step_are_not_compared(
    tmp_path: Path, left: Path
) -> None:
    with open_run(tmp_path) as writer:
        writer.write_scalars(99, {"loss": 1.0})
    report = jd.compare_runs(left, tmp_path)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "nothing is recorded at one step of both runs" in str(report)


def test_json_follows_the_schemas(tmp_path: Path, left: Path) -> None:
    right = record(tmp_path, apart={"embed": float("nan")}, seed=1)
    for report in (jd.compare_runs(left, right), jd.load_run(left)):
        name = report.schema.split(".")[1].replace("/", "-")
        schema = json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))
        assert problems(json.loads(report.to_json()), schema, schema) == []


def test_a_path_that_is_no_run_is_refused(tmp_path: Path, left: Path) -> None:
    with pytest.raises(RunError, match=r"there is no run\.sqlite in it"):
        jd.compare_runs(left, tmp_path)
    with pytest.raises(RunError, match="no such file"):
        jd.compare_runs(tmp_path / "x", left)
