"""Indices that are outside of what they index, whatever the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from jaxdebug.checks.lint.linted import Linted
from jaxdebug.checks.lint.place import Spot, findings_of
from jaxdebug.checks.outcome import Outcome, judged
from jaxdebug.programs._jax import operations
from jaxdebug.programs.graph import Step
from jaxdebug.programs.ranges.identity import alike
from jaxdebug.programs.ranges.range import Range
from jaxdebug.reports import format_number

_SLICES = {"dynamic_slice": 1, "dynamic_update_slice": 2}
"""Where the starts begin among the operands."""


class _Index(NamedTuple):
    axis: int
    length: int
    """Of the axis."""
    size: int
    """Of the slice along it."""
    range: Range
    outside: str


def lint_indices(linted: Linted) -> Outcome:
    """Constant or counted indices beyond the end of an axis, which JAX lets pass."""
    spots, count = [], 0
    for step in linted.steps:
        for index in _indices(linted, step):
            count += 1
            reached = _outside(index)
            if reached is None:
                continue
            spots.append(
                Spot(
                    "clamped-index",
                    step,
                    f"index {format_number(reached)} of axis {index.axis}, which has "
                    f"{index.length} entries: {_WORDS[index.outside]}",
                    evidence={"index": reached, "length": index.length},
                )
            )
    said = f"{count} looked at" if count else "none in it"
    return judged("index", said, findings_of(linted, spots), {"indices": count})


_WORDS = {
    "clamped": "JAX silently takes the last one",
    "filled": "JAX silently gives NaN, or the largest integer",
    "unspecified": "JAX does not say so, and takes the last one",
}


def _indices(linted: Linted, step: Step) -> Iterator[_Index]:
    ranges = linted.ranges
    name, raw = step.equation.primitive, step.equation.raw
    shapes = [getattr(atom.aval, "shape", ()) for atom in raw.invars]
    if name in _SLICES:
        first = _SLICES[name]
        reads = name == "dynamic_slice"
        sizes = operations.slice_sizes(raw) if reads else shapes[1]
        for axis, (length, size) in enumerate(zip(shapes[0], sizes, strict=True)):
            known = ranges.operand(step, first + axis)
            yield _Index(axis, length, size, known, "clamped")
    elif name == "gather":
        view = operations.view_gather(raw)
        parts = _parts(linted, step, len(view.axes))
        for axis, known in zip(view.axes, parts, strict=True):
            yield _Index(axis, shapes[0][axis], view.sizes[axis], known, view.outside)


def _parts(linted: Linted, gather: Step, count: int) -> list[Range]:
    """The range of each number of an index."""
    graph, ranges = linted.graph, linted.ranges
    node = gather.operands[1]
    whole = ranges.operand(gather, 1)
    if count == 1 or node is None:
        return [whole] * count
    made = graph.made_by[alike(graph, node)]
    if made is not None and made.equation.primitive == "concatenate":
        found = [ranges.operand(made, index) for index in range(len(made.operands))]
        if len(found) == count:
            return found
    return [whole.without_hits()] * count


def _outside(index: _Index) -> float | None:
    """The number that is outside, if it is certain that there is one."""
    known, last = index.range, index.length - index.size
    if known.low > last:
        return known.low
    if known.high > last and known.high_hit is not None and known.high_hit.sure:
        return known.high
    if known.high < 0:
        return known.high
    if known.low < 0 and known.low_hit is not None and known.low_hit.sure:
        return known.low
    return None
