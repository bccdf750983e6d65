"""The disk fails, a training goes on: one warning, and the file stays a run."""

from __future__ import annotations

import sqlite3
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxdebug.training.errors import RecordingWarning
from jaxdebug.training.layout import Layout, Row
from jaxdebug.training.runs.load import load_run
from jaxdebug.training.store import commit, open_run, recording
from jaxdebug.training.store.schema import connect
from tests.training.processes import run

LAYOUT = Layout((Row("a", "forward", "output"),), ("rms",))

TOO_BIG = """
import resource, sys
from jaxdebug.training.store import open_run
writer = open_run(sys.argv[1])
writer.write_scalars(1, {"loss": 1.0})
assert writer.flush()
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
writer.write_event(2, "large", "x" * 100_000)
assert not writer.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
writer.write_scalars(3, {"loss": 3.0})
assert writer.flush()
writer.close()
"""

FORKS = """
import os, sys
import numpy as np
from jaxdebug.training.layout import Layout, Row
from jaxdebug.training.store import open_run
layout = Layout(tuple(Row(str(i), "", "g") for i in range(100)), ("rms",))
writer = open_run(sys.argv[1], flush_every=0.001)
children = []
for step in range(8):
    writer.write_scalars(step, {"loss": 1.0})
    writer.write_sample(step, layout, np.ones((100, 1)))
    child = os.fork()
    if child == 0:
        assert not writer.is_recording
        writer.write_scalars(step, {"child": 1.0})
        assert not writer.flush()
        writer.close()
        sys.exit(0)  # with everything that Python does at exit
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
writer.close()
"""


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A disk with room for so many pages; the list's number can be changed."""
    pages = [2**30]

    def small(file: Path, mode: str, *, timeout: float) -> sqlite3.Connection:
        connection = connect(file, mode, timeout=timeout)
        connection.execute(f"PRAGMA max_page_count={pages[0]}")
        return connection

    monkeypatch.setattr(commit, "connect", small)
    return pages


def wait_for_warning(writer: Any, step: int) -> list[str]:
    """Go on training until something is said."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(400):
            writer.write_scalars(step, {"loss": 0.0})
            if said:
                break
            time.sleep(0.01)
    return [str(warning.message) for warning in said]


def test_a_full_disk_is_waited_for(tmp_path: Path, small_disk: list[int]) -> None:
    writer = open_run(tmp_path, flush_every=0.01)
    writer.write_scalars(0, {"loss": 1.0})
    assert writer.flush()
    small_disk[0] = 1  # as many as there are
    writer.write_event(1, "large", "x" * 100_000)
    (said,) = wait_for_warning(writer, 2)
    assert said == "the run cannot be written: database or disk is full; trying again"
    for step in range(3, 10):  # once is enough
        writer.write_scalars(step, {"loss": 1.0})
        assert not writer.flush()
    assert load_run(tmp_path).scalars["loss"].steps.tolist() == [0]
    small_disk[0] = 2**30
    assert writer.flush()
    writer.close()
    run = load_run(tmp_path)
    assert set(run.scalars["loss"].steps.tolist()) == set(range(10)) - {1}
    assert [event.kind for event in run.events] == ["large", "recording-resumed"]


def test_a_disk_that_stays_full_is_given_up(
    tmp_path: Path, small_disk: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "PATIENCE", 0.0)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        writer = open_run(tmp_path)
        small_disk[0] = 1
        for step in range(3):
            writer.write_event(step, "large", "x" * 100_000)
            assert not writer.flush()
        writer.close()
    assert len(said) == 2
    assert "no longer recorded: database or disk is full" in str(said[1].message)
    small_disk[0] = 2**30
    assert load_run(tmp_path).events == ()
    open_run(tmp_path, resume=True).close()


def test_a_disk_that_is_full_at_the_end_is_said(
    tmp_path: Path, small_disk: list[int]
) -> None:
    writer = open_run(tmp_path)
    small_disk[0] = 1
    writer.write_event(1, "large", "x" * 100_000)
    with pytest.warns(RecordingWarning, match="no longer recorded: database or disk"):
        writer.close()


def test_a_file_that_cannot_grow_is_waited_for(tmp_path: Path) -> None:
    _, err = run(TOO_BIG, tmp_path)
    assert err.count("trying again") == 1
    loaded = load_run(tmp_path)
    assert loaded.scalars["loss"].steps.tolist() == [1, 3]
    assert [event.kind for event in loaded.events] == ["large", "recording-resumed"]


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_deleted_run_is_given_up(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "run"
    writer = open_run(folder, flush_every=0.01)
    for name in ("run.sqlite", "run.sqlite-journal", "run.lock"):
        if what == "folder" or name == "run.sqlite":
            (folder / name).unlink()
    if what == "folder":
        folder.rmdir()
    (said,) = wait_for_warning(writer, 1)
    assert said == "the run is no longer recorded: unable to open database file"
    writer.close()
    assert not (folder / "run.sqlite").exists()


def test_another_file_in_its_place_is_not_written_to(tmp_path: Path) -> None:
    writer = open_run(tmp_path / "a")
    open_run(tmp_path / "b").close()
    (tmp_path / "b" / "run.sqlite").replace(tmp_path / "a" / "run.sqlite")
    writer.write_scalars(1, {"loss": 1.0})
    with pytest.warns(RecordingWarning, match="another file was put in its place"):
        assert not writer.flush()
    writer.close()
    assert not load_run(tmp_path / "a").scalars


def test_a_damaged_file_is_given_up(tmp_path: Path) -> None:
    writer = open_run(tmp_path)
    (tmp_path / "run.sqlite").write_bytes(b"not SQLite" * 1000)
    writer.write_scalars(1, {"loss": 1.0})
    with pytest.warns(RecordingWarning, match="file is not a database"):
        writer.flush()
    writer.close()


def test_warnings_that_are_errors_do_not_stop_a_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = open_run(tmp_path)
    (tmp_path / "run.sqlite").unlink()
    writer.write_scalars(1, {"loss": 1.0})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not writer.flush()
        writer.close()
    assert capsys.readouterr().err.startswith("RecordingWarning: the run is no longer")


def test_an_error_of_our_own_is_said_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_run(tmp_path)
    monkeypatch.setattr(recording.RunFile, "write", lambda *_, **__: 1 / 0)
    writer.write_scalars(1, {"loss": 1.0})
    with pytest.warns(RecordingWarning, match="(?s)an error in jaxdebug.*ZeroDivision"):
        assert not writer.flush()
    writer.write_scalars(2, {"loss": 1.0})
    writer.close()


def test_no_connection_crosses_a_fork(tmp_path: Path) -> None:
    run(FORKS, tmp_path)
    loaded = load_run(tmp_path)
    assert list(loaded.scalars) == ["loss"]
    assert loaded.scalars["loss"].steps.tolist() == [*range(8)]
    assert loaded.samples[0].steps.tolist() == [*range(8)]
    assert loaded.finished


def test_a_queue_that_fills_drops_the_oldest_samples(tmp_path: Path) -> None:
    # Nothing is written while a reader holds the file.
    writer = open_run(tmp_path, queue_bytes=80, flush_every=0.01)
    assert writer.flush()
    reader = connect(tmp_path / "run.sqlite", "ro")
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM manifest").fetchall()
    for step in range(100):
        writer.write_sample(step, LAYOUT, np.full((1, 1), step, np.float64))
        writer.write_checksums(step, ("w",), np.array([step], np.uint32))
        writer.write_scalars(step, {"loss": step})
    reader.close()
    assert writer.flush()
    writer.close()
    run = load_run(tmp_path)
    assert run.scalars["loss"].steps.tolist() == [*range(100)]
    kept = run.samples[0].steps.tolist()
    assert kept[-1] == run.checksums["w"].steps[-1] == 99
    drops = [e.content for e in run.events if e.kind == "samples-dropped"]
    dropped = [step for drop in drops for step in drop["steps"]]
    assert dropped
    # Half of a step may have been taken to the disk before the rest was dropped.
    assert {*kept, *dropped} == {*range(100)}
    assert len(dropped) > 50


def test_a_reader_does_not_stop_the_recorder(tmp_path: Path) -> None:
    with open_run(tmp_path, flush_every=0.001) as writer:
        for step in range(200):
            writer.write_scalars(step, {"loss": 1.0})
            if step % 10 == 0:
                load_run(tmp_path)
    assert len(load_run(tmp_path).scalars["loss"].steps) == 200
