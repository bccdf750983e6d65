"""What is kept of each step's arguments, so that it can be run again."""

from __future__ import annotations

import zlib
from collections import deque
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdebug.programs._jax.arrival import is_donated
from jaxdebug.training.recorder.arguments import Call, Flattening, Links

PLACES, PART = 3, 512
"""In how many places, and how many bytes there, a host array is looked at."""

CHANGED = "a batch was changed in place after its step"
DONATED = "a batch was donated to the step"
DROPPED = "batches took more than was allowed to be kept"


class Kept(NamedTuple):
    """What was new in one call."""

    step: int
    values: tuple[Any, ...]
    """Of each argument: itself if all of it is new, its new arrays if only some are;
    None if nothing is."""
    marks: tuple[int, ...]
    """Of the host arrays in it."""
    size: int
    """Bytes of arrays."""


class Keeping:
    """What is kept of the last steps, oldest first.

    Attributes:
        most: bytes that may be kept.
        lost: the last step that cannot be run again, and why.
    """

    def __init__(self, flattening: Flattening, most: int) -> None:
        self.flattening, self.most = flattening, most
        self.steps = deque[Kept]()
        self.size = 0
        self.lost: tuple[int, str] | None = None

    def keep(self, step: int, links: Links, now: Call) -> None:
        """Keep what a call is given anew: host arrays by reference."""
        values, marks, size = [], [], 0
        for slot in links.slots:
            if not slot.given:
                values.append(None)
                continue
            value = slot.of(now)
            if slot.same is not None:
                leaves = self.flattening.of_slot(value)
                value = leaves = [leaves[i] for i in slot.given]
            else:
                leaves = jax.tree.leaves(value)
            values.append(value)
            for leaf in leaves:
                size += getattr(leaf, "nbytes", 8)
                if isinstance(leaf, np.ndarray):
                    marks.append(mark(leaf))
        self.steps.append(Kept(step, tuple(values), tuple(marks), size))
        self.size += size
        while self.size > self.most and self.steps:
            self._drop()
            self.lost = step, DROPPED

    def forget(self, before: int) -> None:
        """Drop what is kept of steps before one."""
        while self.steps and self.steps[0].step < before:
            self._drop()

    def _drop(self) -> None:
        self.size -= self.steps.popleft().size

    def leaves(self, kept: Kept, links: Links) -> dict[int, Any]:
        """Arrays that were new in a call, by their position among all flat ones.

        Raises:
            LookupError: if they are no longer what they were; says why.
        """
        found: dict[int, Any] = {}
        for slot, value in zip(links.slots, kept.values, strict=True):
            if slot.given and slot.same is not None:
                new = value
            else:
                new = self.flattening.of_slot(value) if slot.given else []
            if len(new) != len(slot.given):
                raise LookupError("a step was called with arguments of another form")
            found |= {
                slot.start + i: leaf for i, leaf in zip(slot.given, new, strict=True)
            }
        if any(map(is_donated, found.values())):
            raise LookupError(DONATED)
        hosts = [leaf for leaf in found.values() if isinstance(leaf, np.ndarray)]
        if tuple(map(mark, hosts)) != kept.marks:
            raise LookupError(CHANGED)
        return found


def mark(array: np.ndarray) -> int:
    """A checksum of some of an array's bytes, to notice that it was written to."""
    if not array.flags.c_contiguous:
        flat = array.reshape(-1)[:: max(1, array.size // (PLACES * PART))]
        return zlib.crc32(flat.tobytes())
    raw = array.reshape(-1).view(np.uint8).data
    if len(raw) <= PLACES * PART:
        return zlib.crc32(raw)
    found = 0
    for place in range(PLACES):
        start = (len(raw) - PART) * place // (PLACES - 1)
        found = zlib.crc32(raw[start : start + PART], found)
    return found
