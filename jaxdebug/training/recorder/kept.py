"""What is kept of each step's arguments, so that it can be run again."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdebug.programs._jax.arrival import is_donated, received, send
from jaxdebug.programs.random_keys import is_key
from jaxdebug.training.recorder.arguments import Call, Flattening, Links, Slot
from jaxdebug.training.recorder.room import is_in_host_memory

PLACES, PART = 3, 512
"""In how many places, and how many bytes there, a host array is looked at."""

CHANGED = "a batch was changed in place after its step"
DONATED = "a batch was donated to the step"
OTHER_FORM = "a step was called with arguments of another form"


class Fetched(NamedTuple):
    """The numbers of a device's array, in host memory."""

    numbers: np.ndarray
    sharding: Any


class Kept(NamedTuple):
    """What was new in one call."""

    step: int
    values: tuple[Any, ...]
    """Of each argument: itself if all of it is new, its new arrays if only some are, or
    if a device holds one; None if nothing is."""
    marks: tuple[int, ...]
    """Of the host arrays in it."""
    size: int
    """Bytes of arrays."""
    is_away: bool
    """Whether arrays are on their way from a device."""


class Keeping:
    """What is kept of the last steps, oldest first."""

    def __init__(self, flattening: Flattening) -> None:
        self.flattening = flattening
        self.steps = deque[Kept]()
        self.size = 0

    def keep(self, step: int, links: Links, now: Call) -> None:
        """Keep what a call is given anew: host arrays by reference.

        Those of a device are sent to the host, and held on the device until the next
        call.
        """
        self._fetch()
        values, marks, size, is_away = [], [], 0, False
        for slot in links.slots:
            if not slot.given:
                values.append(None)
                continue
            value, leaves = self._new(slot, now)
            for leaf in leaves:
                size += getattr(leaf, "nbytes", 8)
                if isinstance(leaf, np.ndarray):
                    marks.append(mark(leaf))
                elif _is_away(leaf):
                    send([leaf])
                    value, is_away = leaves, True
            values.append(value)
        self.steps.append(Kept(step, tuple(values), tuple(marks), size, is_away))
        self.size += size

    def _new(self, slot: Slot, now: Call) -> tuple[Any, list[Any]]:
        """What of an argument is new: as it is kept, and its arrays."""
        value = slot.of(now)
        if slot.same is None:
            leaves = jax.tree.leaves(value)
            if not any(map(_is_away, leaves)):
                return value, leaves
        leaves = self.flattening.of_slot(value)
        leaves = leaves if slot.same is None else [leaves[i] for i in slot.given]
        return leaves, leaves

    def _fetch(self) -> None:
        """Let the device's arrays of the last call go: their numbers are here."""
        if not self.steps or not self.steps[-1].is_away:
            return
        last = self.steps[-1]
        values = [
            [_fetched(leaf) for leaf in value] if isinstance(value, list) else value
            for value in last.values
        ]
        self.steps[-1] = last._replace(values=tuple(values), is_away=False)

    def forget(self, before: int) -> None:
        """Drop what is kept of steps before one."""
        while self.steps and self.steps[0].step < before:
            self.drop()

    def drop(self) -> None:
        """Drop the oldest step."""
        self.size -= self.steps.popleft().size

    def leaves(self, kept: Kept, links: Links) -> dict[int, Any]:
        """Arrays that were new in a call, by their position among all flat ones.

        Raises:
            LookupError: if they are no longer what they were; says why.
        """
        found: dict[int, Any] = {}
        for slot, value in zip(links.slots, kept.values, strict=True):
            new: Sequence[Any] = ()
            if slot.given:
                flat = isinstance(value, list)
                new = value if flat else self.flattening.of_slot(value)
            if len(new) != len(slot.given):
                raise LookupError(OTHER_FORM)
            found |= {
                slot.start + i: leaf for i, leaf in zip(slot.given, new, strict=True)
            }
        if any(map(is_donated, found.values())):
            raise LookupError(DONATED)
        hosts = [leaf for leaf in found.values() if isinstance(leaf, np.ndarray)]
        if tuple(map(mark, hosts)) != kept.marks:
            raise LookupError(CHANGED)
        return {i: _put_back(leaf) for i, leaf in found.items()}


def _is_away(leaf: Any) -> bool:
    """Whether an array is in the memory of a device, and its numbers can be had."""
    if not isinstance(leaf, jax.Array) or is_in_host_memory(leaf.sharding):
        return False
    return leaf.is_fully_addressable and not is_key(leaf)


def _fetched(leaf: Any) -> Any:
    if not _is_away(leaf) or is_donated(leaf):
        return leaf
    (numbers,) = received([leaf])
    return Fetched(numbers, leaf.sharding)


def _put_back(leaf: Any) -> Any:
    return jax.device_put(*leaf) if isinstance(leaf, Fetched) else leaf


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
