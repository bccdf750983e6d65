"""However a process ends, what it can still write is written."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from jaxdebug.training.errors import RecordingWarning
from jaxdebug.training.runs.load import load_run
from jaxdebug.training.store import open_run, recording
from tests.slow import quick_cases
from tests.training.processes import begin, finish

BEGIN = """
import os, signal, sys
from jaxdebug.training.store import open_run
writer = open_run(sys.argv[1], flush_every=600)
for step in range(100):
    writer.write_scalars(step, {"loss": 1.0})
"""


# A shell that starts a job in the background has it ignore the signal.
INTERRUPTED = (
    "signal.signal(signal.SIGINT, signal.default_int_handler); "
    "os.kill(os.getpid(), signal.SIGINT)"
)
BY_ITSELF = (
    ("", 0),
    ("sys.exit(3)", 3),
    ("1 / 0", 1),
    (INTERRUPTED, -signal.SIGINT),
    ("del writer", 0),
    ("writer.close(); writer.close()", 0),
    ("import threading; threading.Thread(target=lambda: sys.exit(0)).start()", 0),
)


@pytest.mark.parametrize(
    ("end", "status"), quick_cases(BY_ITSELF, [BY_ITSELF[0], BY_ITSELF[2]])
)
def test_a_process_that_ends_by_itself_closes_its_run(
    tmp_path: Path, end: str, status: int
) -> None:
    finish(begin(BEGIN + end, tmp_path), status)
    run = load_run(tmp_path)
    assert run.finished
    assert len(run.scalars["loss"].steps) == 100


@pytest.mark.parametrize(
    ("end", "status"),
    [("os._exit(0)", 0), ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM)],
)
def test_a_process_that_is_ended_leaves_what_was_flushed(
    tmp_path: Path, end: str, status: int
) -> None:
    more = "assert writer.flush()\nwriter.write_scalars(100, {'loss': 1.0})\n"
    finish(begin(BEGIN + more + end, tmp_path), status)
    run = load_run(tmp_path)
    assert not run.finished
    assert len(run.scalars["loss"].steps) == 100


HANGS = """
import threading
import jaxdebug.training.store.writer as writing
writing.PATIENCE = 0.5
class Hangs:
    def write_scalars(self, step, scalars):
        threading.Event().wait()
"""


def test_a_sink_that_hangs_costs_no_record(tmp_path: Path) -> None:
    code = HANGS + BEGIN.replace("flush_every=600", "flush_every=600, sinks=[Hangs()]")
    _, err = finish(begin(code + "writer.close()", tmp_path))
    assert "the end of the run took longer than 0.5 s" in err
    assert len(load_run(tmp_path).scalars["loss"].steps) == 100


def test_after_the_end_nothing_is_recorded(tmp_path: Path) -> None:
    writer = open_run(tmp_path)
    writer.close()
    writer.write_scalars(1, {"loss": 1.0})
    assert not writer.is_recording
    assert not writer.flush()
    assert not load_run(tmp_path).scalars


def test_a_disk_that_hangs_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, go_on = threading.Event(), threading.Event()

    class Hangs:
        def write_scalars(self, step: int, scalars: object) -> None:
            hanging.set()
            go_on.wait()

        def close(self) -> None:
            pass

    monkeypatch.setattr(recording, "MOST", 100)
    sinks: list[Any] = [Hangs()]
    writer = open_run(tmp_path, sinks=sinks, flush_every=0.001)
    writer.write_scalars(0, {"loss": 1.0})
    assert hanging.wait(60)
    for step in range(1, 102):
        writer.write_scalars(step, {"loss": 1.0})
    with pytest.warns(RecordingWarning, match="100 records wait for a disk or a sink"):
        writer.write_scalars(102, {"loss": 1.0})
    assert not writer.is_recording
    go_on.set()
    writer.close()
    assert load_run(tmp_path).scalars["loss"].steps.tolist() == [0]


@pytest.mark.parametrize("name", ["a?mode=ro#%41 b", "\udcff", "\x1b[31m"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    with open_run(tmp_path / name) as writer:
        writer.write_scalars(1, {"loss": 1.0})
    assert os.listdir(tmp_path) == [name]
    str(load_run(tmp_path / name))


def test_times_and_sizes_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    for settings in ({"flush_every": 0.0}, {"queue_bytes": 0}):
        with pytest.raises(ValueError, match="expected flush_every and queue_bytes"):
            open_run(tmp_path, **settings)
