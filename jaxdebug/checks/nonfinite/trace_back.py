"""From an element that is not finite back to what made it so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from jaxdebug.checks.nonfinite.behind import equations_behind
from jaxdebug.checks.nonfinite.carriers import HARMLESS, Kind, Trial
from jaxdebug.checks.nonfinite.frames import Frame, InputElement, Position
from jaxdebug.checks.nonfinite.opened import inside
from jaxdebug.checks.nonfinite.shards import Element
from jaxdebug.programs._jax import ir
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.primitives import HANDING_ON

MOST_ELEMENTS = {Kind.NAN: 4, Kind.INFINITE: 32}
"""Of one value that are followed: others of it have mostly the same origin, except
that many infinities may be masks, and one not."""


@dataclass(frozen=True, eq=False)
class Made:
    """An equation made it, at one element of one of its results."""

    frame: Frame
    index: int
    result: int
    element: Element

    @property
    def order(self) -> tuple[int, ...]:
        """When: smaller is earlier."""
        return (*self.frame.order, self.index)

    @property
    def raw(self) -> ir.JaxprEqn:
        """The equation."""
        return self.frame.jaxpr.jaxpr.eqns[self.index]

    @property
    def reads_reference(self) -> bool:
        """Whether it may come out of what a reference holds."""
        return not all(ir.is_array(operand.aval) for operand in self.raw.invars)

    @property
    def atom(self) -> Any:
        """The result."""
        return self.raw.outvars[self.result]


class Given(NamedTuple):
    """It was in an input of the program already."""

    index: int
    element: Element
    moved: bool
    """Whether it was only handed on since."""


class Written(NamedTuple):
    """It is a constant of the program."""

    value: Any
    reader: Made | None
    """The first equation that chooses it, or computes with it."""
    moved: bool
    captured: bool
    """Whether it is an array that the trace captured."""


Root = Made | Given | Written


class _Step(NamedTuple):
    position: Position | InputElement
    reader: Made | None
    """The nearest equation that joins it with other values."""
    moved: bool


def roots(starts: Sequence[Position], kind: Kind) -> list[Root]:
    """Everything that made what stands at some positions."""
    found: list[Root] = []
    seen: set[Any] = set()
    count: Counter[Any] = Counter()
    queue = [_Step(start, None, True) for start in reversed(starts)]
    while queue:
        position, reader, moved = queue.pop()
        if isinstance(position, InputElement):
            found.append(Given(position.index, position.element, moved))
            continue
        frame, atom, element = position
        if isinstance(atom, ir.Literal):
            tested = None if reader is None else _tested(reader, kind)
            if tested is not None:
                queue.append(_Step(tested, None, False))
                continue
            found.append(Written(frame.value(atom), reader, moved, False))
            continue
        key = (frame.order, atom)
        if (key, element) in seen or count[key] >= MOST_ELEMENTS[kind]:
            continue
        seen.add((key, element))
        count[key] += 1
        if atom not in frame.made_by:
            inputs = frame.jaxpr.jaxpr.invars
            if atom in inputs:
                outside = frame.enter(inputs.index(atom), element)
                queue.append(_Step(outside, reader, moved))
            else:
                value = np.asarray(frame.value(atom))[element]
                found.append(Written(value, reader, moved, True))
            continue
        index, result = frame.made_by[atom]
        within = inside(frame, index, result, element)
        if within is not None:
            queue.append(_Step(within, reader, moved))
            continue
        made = Made(frame, index, result, element)
        operands = Trial(frame, index, result, element).carriers(kind)
        if not operands:
            found.append(made)
            continue
        passive = made.raw.primitive.name in HANDING_ON
        joins = sum(is_inexact(operand.aval) for operand in made.raw.invars) > 1
        nearest = made if joins or not passive or reader is None else reader
        for number, at in reversed(operands):
            position = Position(frame, made.raw.invars[number], at)
            queue.append(_Step(position, nearest, moved and passive))
    return found


_LOGICAL = frozenset(
    {"and", "broadcast_in_dim", "not", "or", "reduce_and", "reduce_or", "reshape"}
    | {"convert_element_type", "squeeze", "transpose", "xor"}
)


def _tested(reader: Made, kind: Kind) -> Position | None:
    """The NaN for which another, written as a constant, was put.

    Quantiles are NaN where one of the numbers is: they ask, and choose a constant.
    """
    if kind is not Kind.NAN or reader.raw.primitive.name != "select_n":
        return None
    chooser = reader.raw.invars[0]
    for frame, raw in equations_behind(reader.frame, chooser, _LOGICAL):
        name = raw.primitive.name
        if name == "is_finite" or (name == "ne" and raw.invars[0] is raw.invars[1]):
            nan = np.isnan(np.asarray(frame.value(raw.invars[0])))
            if nan.any():
                first = np.unravel_index(int(nan.argmax()), nan.shape)
                return Position(frame, raw.invars[0], tuple(map(int, first)))
    return None


def infinities_behind(made: Made) -> list[Position]:
    """The infinite operands without which an equation would not have made NaN."""
    trial = Trial(made.frame, made.index, made.result, made.element)
    infinite = {n: np.isinf(trial.operands[n]) for n in trial.inexact}
    bearing = [n for n, mask in infinite.items() if mask.any()]
    if not bearing:
        return []
    finite = trial.background(Kind.NAN)
    if finite is None:
        return []
    places = [
        (number, int(flat))
        for number in bearing
        for flat in np.flatnonzero(infinite[number])
    ]

    def shows(chosen: Sequence[tuple[int, int]]) -> bool:
        flats = {n: [flat for m, flat in chosen if m == n] for n in bearing}
        return Kind.NAN.shows(trial.value(trial.put_back(finite, flats)))

    needed: list[tuple[int, int]] = []
    # One alone (0 * inf), or one against another (inf - inf).
    while not shows(needed):
        low, high = 1, len(places)
        if not shows([*needed, *places]):
            return []
        while low < high:
            middle = (low + high) // 2
            if shows([*needed, *places[:middle]]):
                high = middle
            else:
                low = middle + 1
        needed.append(places[high - 1])
        if len(needed) > len(HARMLESS) + 1:
            break
    return [
        Position(made.frame, made.raw.invars[number], trial.element_of(number, flat))
        for number, flat in needed
    ]
