"""Softmaxes as they are written: exponentials of scores less their maximum."""

from __future__ import annotations

from jaxdebug.programs._jax import names
from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.ranges.identity import alike, maker, same

_SCALED = frozenset({"exp", "exp2"})


def peak_of(graph: Graph, difference: Step) -> tuple[int, ...] | None:
    """The axes of the maximum where an array less its own maximum is taken.

    Along these the difference is 0 at one element and nowhere larger.
    """
    whole, largest = difference.operands
    if whole is None or largest is None:
        return None
    made = maker(graph, largest)
    if made is None or made.equation.primitive != "reduce_max":
        return None
    source = made.operands[0]
    if source is None or same(graph, source) != same(graph, whole):
        return None
    return names.reduced_axes(made.equation.raw)


def is_softmax(graph: Graph, division: Step) -> bool:
    """Whether a division is of exponentials by their own sum."""
    top, bottom = division.operands
    sum_of = maker(graph, bottom)
    if top is None or sum_of is None or sum_of.equation.primitive != "reduce_sum":
        return False
    made, summed = maker(graph, top), sum_of.operands[0]
    if made is None or summed is None or made.equation.primitive not in _SCALED:
        return False
    return alike(graph, summed) == alike(graph, top)


def scores_of(graph: Graph, exponential: Step) -> int | None:
    """The scores of which a softmax or log-softmax takes the exponentials.

    None where an exponential is not of scores less their maximum.
    """
    (operand,) = exponential.operands
    difference = maker(graph, operand)
    if difference is None or difference.equation.primitive != "sub":
        return None
    if peak_of(graph, difference) is None:
        return None
    return difference.operands[0]
