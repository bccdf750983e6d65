"""Ranges of comparisons, and of what a where lets through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from math import inf
from types import MappingProxyType

import numpy as np

from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.ranges.identity import alike, before_by, literal_of, maker, same
from jaxdebug.programs.ranges.range import Range

_NEVER: Mapping[str, Callable[[Range, Range], bool]] = MappingProxyType(
    {
        "lt": lambda a, b: a.low >= b.high,
        "le": lambda a, b: a.low > b.high,
        "gt": lambda a, b: a.high <= b.low,
        "ge": lambda a, b: a.high < b.low,
        "eq": lambda a, b: _apart(a, b),
        "ne": lambda a, b: a.constant is not None and a.constant == b.constant,
    }
)
_OPPOSITE = {"lt": "ge", "ge": "lt", "gt": "le", "le": "gt", "eq": "ne", "ne": "eq"}
_MIRRORED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le", "eq": "eq", "ne": "ne"}
COMPARISONS = frozenset(_OPPOSITE)

ANYTHING = Range(-inf, inf)

_KEEPING_ZERO = """
    abs broadcast_in_dim cbrt convert_element_type div expand_dims integer_pow max mul
    neg reduce_max reduce_sum reshape sqrt square squeeze stop_gradient
"""
KEEPING_ZERO = frozenset(_KEEPING_ZERO.split())
"""What these make is 0 where what they read is: sizes, norms."""


def _apart(a: Range, b: Range) -> bool:
    if a.low > b.high or b.low > a.high:
        return True
    return (a.nonzero and b.constant == 0) or (b.nonzero and a.constant == 0)


def compared(name: str, a: Range, b: Range, is_itself: bool) -> Range:
    """The range of a comparison: 0 or 1 where it is decided.

    Args:
        name: of the primitive.
        a: of the left operand.
        b: of the right operand.
        is_itself: whether both are one array.
    """
    data = a.data or b.data
    if is_itself and name in ("ne", "lt", "gt"):
        return Range(0, 0, whole=True, data=data)
    if is_itself or _NEVER[_OPPOSITE[name]](a, b):
        return Range(1, 1, whole=True, data=data)
    if _NEVER[name](a, b):
        return Range(0, 0, whole=True, data=data)
    return Range(0, 1, whole=True, data=data)


class Limits:
    """What a predicate says of an array where it is true, or where it is not."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def on(self, predicate: int, holds: bool, found: Range, node: int) -> Range:
        """The range of a node's elements at which a predicate holds, or does not."""
        wanted = alike(self.graph, node)
        dtype = self.graph.avals[node].dtype
        for name, array, number in self.conditions(predicate, holds):
            if alike(self.graph, array) == wanted:
                found = _limited(found, name, number, dtype)
            elif not _limited(ANYTHING, name, number, dtype).has(0):
                sizes = before_by(self.graph, array, KEEPING_ZERO)
                if wanted in (alike(self.graph, earlier) for earlier in sizes):
                    found = replace(found, guarded=True)
        return found

    def conditions(
        self, predicate: int, holds: bool
    ) -> Iterator[tuple[str, int, float]]:
        """Comparisons of arrays with numbers that are then true."""
        step = maker(self.graph, predicate)
        if step is None or step.opened:
            return
        name, operands = step.equation.primitive, step.operands
        if name == "not" and operands[0] is not None:
            yield from self.conditions(operands[0], not holds)
        elif (name == "and" and holds) or (name == "or" and not holds):
            for operand in operands:
                if operand is not None:
                    yield from self.conditions(operand, holds)
        elif name == "convert_element_type" and operands[0] is not None:
            yield from self.conditions(operands[0], holds)
        elif name in COMPARISONS:
            yield from self._comparisons(step, name if holds else _OPPOSITE[name])

    def _comparisons(self, step: Step, name: str) -> Iterator[tuple[str, int, float]]:
        for one, other, said in ((0, 1, name), (1, 0, _MIRRORED[name])):
            array, number = step.operands[one], literal_of(self.graph, step, other)
            if array is not None and number is not None:
                yield said, array, number


def _limited(found: Range, name: str, number: float, dtype: object) -> Range:
    """A range cut by one comparison with a number."""
    if name == "ne":
        return replace(found, nonzero=True) if number == 0 else found
    if name in ("gt", "ge") and number >= found.low:
        low = number if name == "ge" else _next(number, inf, dtype)
        hit = found.low_hit if low == found.low else None
        return replace(found, low=low, low_hit=hit, high=max(low, found.high))
    if name in ("lt", "le") and number <= found.high:
        high = number if name == "le" else _next(number, -inf, dtype)
        hit = found.high_hit if high == found.high else None
        low = min(high, found.low)
        return replace(found, high=high, high_hit=hit, low=low, peak=None)
    if name == "eq" and found.has(number):
        return replace(found, low=number, high=number, low_hit=None, high_hit=None)
    return found


def _next(number: float, towards: float, dtype: object) -> float:
    """The next number of a dtype."""
    if number == inf or number == -inf:
        return number
    if str(dtype).startswith(("int", "uint", "bool")):
        return number + (1 if towards > 0 else -1)
    # bfloat16 is not known to NumPy: a step of float32 is safe, being shorter.
    wide = np.float64 if str(dtype) == "float64" else np.float32
    return float(np.nextafter(wide(number), wide(towards)))


def chosen(
    graph: Graph, step: Step, ranges: list[Range], predicate: Range
) -> list[Range]:
    """The ranges of the cases of a select that may be taken.

    Args:
        graph: the flow of the program.
        step: the `select_n`.
        ranges: of its cases, the false one first.
        predicate: of what chooses.
    """
    if predicate.constant is not None and 0 <= predicate.constant < len(ranges):
        return [ranges[int(predicate.constant)]]
    if len(ranges) != 2 or step.operands[0] is None:
        return ranges
    limits = Limits(graph)
    found = []
    for holds, case in enumerate(ranges):
        node = step.operands[1 + holds]
        if node is not None:
            case = limits.on(step.operands[0], bool(holds), case, node)
        found.append(case)
    return found


def is_same(graph: Graph, one: int | None, other: int | None) -> bool:
    """Whether two operands hold the same elements in the same shape."""
    return None not in (one, other) and same(graph, one or 0) == same(graph, other or 0)
