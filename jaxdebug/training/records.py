"""What a run is made of, as the training hands it over."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxdebug.training.arrays import RawArray
from jaxdebug.training.layout import Layout


class Scalars(NamedTuple):
    """Numbers of one step by name."""

    step: int
    values: Mapping[str, float]


class Event(NamedTuple):
    """Something that happened: a finding, a drop, a fall-back, a non-finite value."""

    step: int
    time: float
    kind: str
    content: Any
    """What JSON can hold."""


def event_now(step: int, kind: str, content: Any) -> Event:
    """An event of this moment."""
    return Event(step, time.time(), kind, content)


class Sample(NamedTuple):
    """Statistics of one step."""

    step: int
    layout: Layout
    values: RawArray

    @property
    def size(self) -> int:
        """Bytes that it takes while it waits."""
        return len(self.values.data)


class Checksums(NamedTuple):
    """Checksums of leaves at one step."""

    step: int
    leaves: tuple[str, ...]
    values: RawArray

    @property
    def size(self) -> int:
        """Bytes that it takes while it waits."""
        return len(self.values.data)


class Histogram(NamedTuple):
    """Counts between edges, of one array at one step."""

    step: int
    name: str
    edges: RawArray
    counts: RawArray

    @property
    def size(self) -> int:
        """Bytes that it takes while it waits; edges are mostly shared."""
        return len(self.counts.data)


Droppable = Sample | Checksums | Histogram
"""What may be dropped when more comes than can be written."""
Record = Scalars | Event | Droppable
