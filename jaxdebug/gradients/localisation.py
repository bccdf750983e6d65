"""Which elements of a gradient are wrong, where only differences can tell.

A difference of the function along a direction that is zero outside a box says what
the gradient of that box makes wrong. Along each axis the largest part from the start
that is right, and from the end, is found by bisection: what remains is the smallest
box that holds all wrong elements, after some `2 * log2(elements)` differences, whether
it is one element, a block or a column. A box that falls into two much smaller ones
is split.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from jaxdebug.gradients.blocks import Block, whole_block

SURE = 2.0
"""A gap of more than so many bars is one."""

RESOLVED = 0.05
"""A bar of more than this part of the largest gap so far would hide wrong elements."""

WORTH = 0.5
"""Two boxes with at most this part of the elements are taken in the place of one."""


class Gap(NamedTuple):
    """What the gradient of a box makes wrong along a direction."""

    gap: float
    """Slope by the gradient minus slope by differences."""
    bar: float
    """Bound on the error of it."""


Probe = Callable[[Block], Gap]


def locate(probe: Probe, shape: Sequence[int], budget: int) -> tuple[Block, ...]:
    """The boxes that hold the wrong elements of a leaf.

    Args:
        probe: the gap of a box; along one direction for all boxes, so that gaps add
            up.
        shape: of the leaf.
        budget: how many boxes may be probed.

    Returns:
        Disjoint boxes, in their order; none if the leaf as a whole shows no gap.
        Where noise hides a part, or the budget is used up, the smallest box that is
        known to hold the wrong elements, and not `exact`.
    """
    search = _Search(probe, budget)
    everything = whole_block(shape)
    whole = search.ask(everything)
    if abs(whole.gap) <= SURE * whole.bar:
        return ()
    queue, found = [search.shrunk(everything)], list[Block]()
    while queue:
        box = max(queue, key=lambda each: each.size)
        queue.remove(box)
        parts = search.split(box)
        queue += parts
        found += [] if parts else [box]
    found.sort(key=lambda box: box.start)
    return tuple(replace(b, wrong=1) if b.size == 1 else b for b in found)


class _Search:
    """Probes, each asked for once, and how many are left."""

    def __init__(self, probe: Probe, budget: int) -> None:
        self.probe, self.left = probe, budget
        self.largest = 0.0
        self.known: dict[tuple[tuple[int, ...], tuple[int, ...]], Gap] = {}

    def ask(self, box: Block) -> Gap:
        key = (box.start, box.stop)
        if key not in self.known:
            self.left -= 1
            self.known[key] = self.probe(box)
            self.largest = max(self.largest, abs(self.known[key].gap))
        return self.known[key]

    def is_wrong(self, box: Block) -> bool | None:
        """Whether a box holds wrong elements; None if that cannot be told."""
        if self.left <= 0:
            return None
        gap, bar = self.ask(box)
        if abs(gap) > SURE * bar:
            return True
        resolved = bar <= RESOLVED * self.largest
        return False if resolved and abs(gap) <= bar else None

    def shrunk(self, box: Block) -> Block:
        """The smallest box in a box that holds wrong elements, as far as is known."""
        for axis, length in enumerate(box.lengths):
            if length > 1:
                box = self._from_start(box, axis)
                box = self._from_end(box, axis)
        return box

    def _from_start(self, box: Block, axis: int) -> Block:
        # Nothing before `right` is wrong; something between it and `wrong` is.
        right, wrong = box.start[axis], box.stop[axis]
        guesses = [right + 1]  # a box that is wrong from its start on is common
        exact = True
        while wrong - right > 1 and exact:
            guess = guesses.pop() if guesses else None
            middle = (right + wrong) // 2 if guess is None else guess
            answer = self.is_wrong(_part(box, axis, right, middle))
            exact = answer is not None or guess is not None
            if answer is not None:
                right, wrong = (right, middle) if answer else (middle, wrong)
        found = _part(box, axis, right, box.stop[axis])
        return replace(found, exact=box.exact and exact)

    def _from_end(self, box: Block, axis: int) -> Block:
        # Nothing from `right` on is wrong; something between `wrong` and it is.
        wrong, right = box.start[axis], box.stop[axis]
        # Only the first slice is wrong, or all up to the last: both are common.
        guesses = [right - 1, wrong + 1]
        exact = True
        while right - wrong > 1 and exact:
            guess = guesses.pop() if guesses else None
            if guess is not None and not wrong < guess < right:
                continue
            middle = (wrong + right) // 2 if guess is None else guess
            answer = self.is_wrong(_part(box, axis, middle, right))
            exact = answer is not None or guess is not None
            if answer is not None:
                wrong, right = (middle, right) if answer else (wrong, middle)
        found = _part(box, axis, box.start[axis], right)
        return replace(found, exact=box.exact and exact)

    def split(self, box: Block) -> list[Block]:
        """Two boxes that are much smaller together; none if there are none."""
        if not box.exact:
            return []
        by_length = sorted(enumerate(box.lengths), key=lambda each: -each[1])
        for axis, length in by_length:
            if length == 1 or self.left <= 0:
                break
            start, stop = box.start[axis], box.stop[axis]
            middle = (start + stop) // 2
            halves = [(start, middle), (middle, stop)]
            parts = [self.shrunk(_part(box, axis, *half)) for half in halves]
            if sum(part.size for part in parts) <= WORTH * box.size:
                return parts
        return []


def _part(box: Block, axis: int, start: int, stop: int) -> Block:
    """The part of a box between two indices of one axis."""
    starts, stops = [*box.start], [*box.stop]
    starts[axis], stops[axis] = start, stop
    return replace(box, start=tuple(starts), stop=tuple(stops))
