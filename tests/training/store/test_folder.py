"""Who may record into a folder, and what a file must be to be gone on with."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest

from jaxdebug.training.errors import RunError
from jaxdebug.training.runs.load import load_run
from jaxdebug.training.store import open_run
from jaxdebug.training.store.lock import FILE, lock_folder, process_began
from tests.training.processes import begin, finish, run

HOLD = """
import sys
from jaxdebug.training.store import open_run
writer = open_run(sys.argv[1])
writer.write_scalars(1, {"loss": 1.0})
assert writer.flush()
print("recording", flush=True)
sys.stdin.read()
"""

REFUSED = """
import sys
from jaxdebug.training.errors import RunError
from jaxdebug.training.store import open_run
try:
    open_run(sys.argv[1], resume=True)
except RunError as error:
    print(error)
"""

FORK = """
import os, sys, time
from jaxdebug.training.store import open_run
writer = open_run(sys.argv[1])
writer.write_scalars(1, {"loss": 1.0})
if os.fork() == 0:
    time.sleep(60)
assert writer.flush()
print("recording", flush=True)
sys.stdin.read()
"""


def test_a_folder_in_use_is_refused_from_another_process(tmp_path: Path) -> None:
    with open_run(tmp_path):
        out, _ = run(REFUSED, tmp_path)
    assert f"process {os.getpid()} on" in out
    assert "Close that one first, or give another folder." in out


def test_a_folder_in_use_is_refused_in_the_same_process(tmp_path: Path) -> None:
    with (
        open_run(tmp_path) as writer,
        pytest.raises(RunError, match="this process is recording into"),
    ):
        open_run(tmp_path, resume=True)
    assert not writer.is_recording
    open_run(tmp_path, resume=True).close()


def test_a_killed_process_lets_the_folder_go(tmp_path: Path) -> None:
    process = begin(HOLD, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "recording\n"
    with pytest.raises(RunError, match=f"process {process.pid} on"):
        open_run(tmp_path, resume=True)
    process.send_signal(signal.SIGKILL)
    finish(process, -signal.SIGKILL)
    assert not load_run(tmp_path).finished
    with pytest.raises(RunError, match="resume=True to go on"):
        open_run(tmp_path)
    open_run(tmp_path, resume=True).close()
    run = load_run(tmp_path)
    assert run.finished
    assert [session.ended is None for session in run.sessions] == [True, False]
    assert run.scalars["loss"].values.tolist() == [1.0]


def test_a_forked_child_does_not_hold_the_folder_of_a_dead_parent(
    tmp_path: Path,
) -> None:
    process = begin(FORK, tmp_path, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "recording\n"
    try:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
        open_run(tmp_path, resume=True).close()
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # the child too
        process.communicate(timeout=60)


def no_locks(*_: object) -> None:
    raise OSError(errno.ENOLCK, "no locks available")


@pytest.mark.parametrize(
    ("holder", "taken"),
    [
        ({"pid": os.getpid(), "began": process_began(os.getpid())}, True),
        # A later process of the same number, and a process that has ended.
        ({"pid": os.getpid(), "began": "another boot:1"}, False),
        ({"pid": 2**22 + 1, "began": process_began(os.getpid())}, False),
        # Of another host nothing can be told.
        ({"pid": 1, "began": "x", "host": "elsewhere"}, True),
        ({}, False),
    ],
)
def test_without_locks_of_the_kernel_the_holders_process_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, holder: dict, taken: bool
) -> None:
    monkeypatch.setattr(fcntl, "flock", no_locks)
    host = {"host": os.uname().nodename}
    text = json.dumps({**host, **holder}) if holder else "cut o"
    (tmp_path / FILE).write_text(text)
    if taken:
        with pytest.raises(RunError, match=r"If it has ended, delete run\.lock there"):
            lock_folder(tmp_path)
    else:
        lock_folder(tmp_path).release()
        assert (tmp_path / FILE).read_text() == ""


def test_a_run_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    open_run(tmp_path).close()
    with pytest.raises(RunError, match="expected run_dir to hold no run"):
        open_run(tmp_path)
    # The refusal let the folder go.
    open_run(tmp_path, resume=True).close()


def test_resume_begins_a_run_where_there_is_none(tmp_path: Path) -> None:
    open_run(tmp_path / "a" / "b", resume=True).close()
    assert len(load_run(tmp_path / "a" / "b").sessions) == 1


def test_the_later_record_of_a_step_counts(tmp_path: Path) -> None:
    with open_run(tmp_path, manifest={"every": 1}) as writer:
        for step in range(10):
            writer.write_scalars(step, {"loss": 1.0})
            writer.write_checksums(step, ("w",), np.array([1]))
        writer.write_event(9, "note")
    with open_run(tmp_path, resume=True, manifest={"every": 2}) as writer:
        for step in range(6, 8):
            writer.write_scalars(step, {"loss": 2.0})
    run = load_run(tmp_path)
    assert run.scalars["loss"].steps.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert run.scalars["loss"].values.tolist() == [1.0] * 6 + [2.0] * 2
    assert run.checksums["w"].steps.tolist() == [0, 1, 2, 3, 4, 5]
    assert run.manifest["every"] == 2
    assert [event.kind for event in run.events] == ["note"]


def test_a_newer_schema_is_named(tmp_path: Path) -> None:
    open_run(tmp_path).close()
    file = tmp_path / "run.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version=7")
    connection.close()
    match = "has schema 7, of a newer jaxdebug. Read it with that version: pip"
    with pytest.raises(RunError, match=match):
        load_run(file)
    with pytest.raises(RunError, match=match):
        open_run(tmp_path, resume=True)


@pytest.mark.parametrize(
    ("statement", "match"),
    [
        ("PRAGMA application_id=0", "SQLite file of another kind"),
        ("DROP TABLE events", "these are others: events"),
        ("ALTER TABLE scalars ADD COLUMN x", "these are others: scalars"),
        (
            "CREATE TRIGGER t AFTER INSERT ON scalars BEGIN DELETE FROM events; END",
            "these are others: t",
        ),
    ],
)
def test_a_changed_file_is_refused(tmp_path: Path, statement: str, match: str) -> None:
    open_run(tmp_path).close()
    with sqlite3.connect(tmp_path / "run.sqlite") as connection:
        connection.execute(statement)
    connection.close()
    with pytest.raises(RunError, match=match):
        load_run(tmp_path)
    with pytest.raises(RunError, match=match):
        open_run(tmp_path, resume=True)


def test_a_run_dir_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(RunError, match="expected run_dir to be a folder"):
        open_run(tmp_path / "a")


def test_other_processes_and_sinks_alone_make_no_folder(tmp_path: Path) -> None:
    with open_run(tmp_path / "a", process_index=1) as writer:
        assert not writer.is_recording
        writer.write_scalars(1, {"loss": 1.0})
        writer.write_event(1, "note", object())
        assert not writer.flush()
    assert not (tmp_path / "a").exists()
    assert not open_run(None).is_recording


def test_a_writer_that_is_forgotten_lets_the_folder_go(tmp_path: Path) -> None:
    before = threading.active_count()
    writer = open_run(tmp_path)
    writer.write_scalars(1, {"loss": 1.0})
    del writer
    assert threading.active_count() == before
    assert load_run(tmp_path).finished
    open_run(tmp_path, resume=True).close()


def test_a_manifest_that_is_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="found object at value"):
        open_run(tmp_path, manifest={"a": object()})
    open_run(tmp_path).close()
