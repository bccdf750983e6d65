"""Killed at any moment, a run opens, and nothing before its last flush is missing."""

from __future__ import annotations

import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from jaxdebug.training.runs.load import load_run
from jaxdebug.training.store import open_run
from tests.slow import quick_cases
from tests.training.processes import begin

ROWS = 50

TRAIN = f"""
import sys, threading
import numpy as np
from jaxdebug.training.layout import Layout, Row
from jaxdebug.training.store import open_run
layout = Layout(tuple(Row(str(i), "", "g") for i in range({ROWS})), ("rms", "max"))
writer = open_run(sys.argv[1], flush_every=0.001)
print(-1, flush=True)
for step in range(10**6):
    writer.write_scalars(step, {{"loss": step, f"name {{step}}": 1.0}})
    writer.write_sample(step, layout, np.full(layout.shape, step, np.float32))
    leaves = tuple(f"p{{step % 7}}-{{i}}" for i in range(9))
    writer.write_checksums(step, leaves, np.arange(9))
    writer.write_event(step, "note", "x" * (step % 5000))
    if step % 3 == 0:
        assert writer.flush()
        print(step, flush=True)
"""


@pytest.mark.parametrize("seed", quick_cases(range(50), range(2)))
def test_what_was_flushed_is_there(tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "run"
    process = begin(TRAIN, folder)
    assert process.stdout is not None
    assert process.stdout.readline() == "-1\n"
    time.sleep(random.Random(seed).uniform(0, 0.4))
    process.send_signal(signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert not err
    lines = out.split("\n")[:-1]
    flushed = int(lines[-1]) if lines else -1

    # Also where nothing can be undone in place.
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    run = load_run(folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert not run.finished
    if flushed < 0:
        return
    steps = run.scalars["loss"].steps.tolist()
    sampled = run.samples[0].steps.tolist()
    # A flush may come between the parts of a step, but none is without those before.
    for found in (steps, sampled, [event.step for event in run.events]):
        assert found == [*range(len(found))]
        assert len(found) > flushed
    assert run.samples[0].values[:, -1, -1].tolist() == sampled

    shutil.copytree(folder, tmp_path / "copy")
    with open_run(folder, resume=True) as writer:
        writer.write_scalars(steps[-1] + 1, {"loss": 0.0})
    assert load_run(folder).scalars["loss"].steps.tolist() == [*steps, steps[-1] + 1]
    assert load_run(tmp_path / "copy").scalars["loss"].steps.tolist() == steps
