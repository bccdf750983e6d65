"""Records that wait to be written: bounded, the oldest sample goes first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from jaxdebug.training.records import Droppable, Event, Record, Scalars, event_now


class Waiting:
    """Records in the order they came; not guarded against threads by itself.

    Scalars and events are always kept: they are small. All that waits of a sampled
    step is dropped together, the oldest step first, once samples take more than
    `limit` bytes. The newest sampled step is never dropped.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._size = 0
        self._kept: list[Scalars | Event] = []
        self._samples: deque[Droppable] = deque()
        self._dropped: list[int] = []

    def __len__(self) -> int:
        return len(self._kept) + len(self._samples)

    @property
    def is_filling(self) -> bool:
        """Whether it is time to write, if nothing is to be dropped."""
        return 2 * self._size > self.limit

    def add(self, records: Iterable[Record]) -> None:
        """Take records in; drops the oldest sampled steps if there are too many."""
        for record in records:
            if isinstance(record, Scalars | Event):
                self._kept.append(record)
                continue
            self._samples.append(record)
            self._size += record.size
            while self._size > self.limit and self._samples[0].step != record.step:
                self._drop(self._samples[0].step)

    def _drop(self, step: int) -> None:
        while self._samples and self._samples[0].step == step:
            self._size -= self._samples.popleft().size
        self._dropped.append(step)

    def take(self) -> list[Record]:
        """Hand everything out, with an event that says what was dropped."""
        taken: list[Record] = [*self._kept, *self._samples]
        if self._dropped:
            reason = "more samples came than could be written"
            content = {"steps": self._dropped, "reason": reason}
            taken.append(event_now(self._dropped[-1], "samples-dropped", content))
        self._kept, self._samples, self._dropped, self._size = [], deque(), [], 0
        return taken
