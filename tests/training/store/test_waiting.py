"""What waits is bounded: the oldest sampled steps go first, nothing else goes."""

from __future__ import annotations

import numpy as np

from jaxdebug.training.arrays import to_raw
from jaxdebug.training.layout import Layout, Row
from jaxdebug.training.records import Checksums, Event, Record, Sample, Scalars
from jaxdebug.training.store.waiting import Waiting

LAYOUT = Layout((Row("a", "forward", "output"),), ("rms",))


def step_of(step: int) -> list[Record]:
    """Everything of one step; 16 bytes of it may be dropped."""
    return [
        Scalars(step, {"loss": 1.0}),
        Sample(step, LAYOUT, to_raw(np.ones((1, 1)))),
        Checksums(step, ("w",), to_raw(np.ones(1, np.int64))),
    ]


def taken(waiting: Waiting) -> dict[str, list[int]]:
    steps: dict[str, list[int]] = {}
    for record in waiting.take():
        steps.setdefault(type(record).__name__, []).append(record.step)
        if isinstance(record, Event):
            steps["dropped"] = record.content["steps"]
    return steps


def test_whole_steps_are_dropped_and_named() -> None:
    waiting = Waiting(limit=40)
    for step in range(5):
        waiting.add(step_of(step))
    assert waiting.is_filling
    assert taken(waiting) == {
        "Scalars": [0, 1, 2, 3, 4],
        "Sample": [3, 4],
        "Checksums": [3, 4],
        "Event": [2],
        "dropped": [0, 1, 2],
    }
    assert len(waiting) == 0
    assert not waiting.is_filling
    assert taken(waiting) == {}


def test_nothing_is_dropped_that_has_room() -> None:
    waiting = Waiting(limit=80)
    for step in range(5):
        waiting.add(step_of(step))
    assert "dropped" not in taken(waiting)


def test_the_newest_step_stays_however_large_it_is() -> None:
    waiting = Waiting(limit=1)
    for step in range(3):
        waiting.add(step_of(step))
    assert taken(waiting)["Sample"] == [2]


def test_what_could_not_be_written_waits_in_its_order() -> None:
    waiting = Waiting(limit=40)
    waiting.add(step_of(0))
    failed = waiting.take()
    waiting.add(failed)
    waiting.add(step_of(1))
    waiting.add(step_of(2))
    again = taken(waiting)
    assert again["Scalars"] == [0, 1, 2]
    assert again["Sample"] == [1, 2]
    assert again["dropped"] == [0]
