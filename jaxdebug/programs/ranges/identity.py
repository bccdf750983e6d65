"""Which arrays of a program are one array under several names, or in another shape."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.primitives import RESHAPING, UNCHANGED

_LOOPS = frozenset({"scan", "while"})

_NEUTRAL = {"add": 0.0, "max": -np.inf, "min": np.inf, "mul": 1.0}
"""With these numbers an operation hands on the other operand."""


def is_loop_head(graph: Graph, node: int) -> bool:
    """Whether a node is what a loop carries from one iteration to the next."""
    entered = graph.entered.get(node)
    if entered is None or entered[0].equation.primitive not in _LOOPS:
        return False
    return len(graph.fed_by.get(node, ())) + len(graph.literals.get(node, ())) > 1


def same(graph: Graph, node: int) -> int:
    """The first node that holds the same elements in the same shape."""
    while (earlier := _unchanged(graph, node)) is not None:
        node = earlier
    return node


def alike(graph: Graph, node: int) -> int:
    """The first node that holds the same elements, in any shape and float dtype.

    An array where it is finite and something else where not counts as that array.
    """
    while True:
        node = same(graph, node)
        earlier = _reshaped(graph, node)
        if earlier is None:
            return node
        node = earlier


def maker(graph: Graph, node: int | None) -> Step | None:
    """The equation that made the elements of a node, whatever their shape."""
    return None if node is None else graph.made_by[alike(graph, node)]


def literal_of(graph: Graph, step: Step, operand: int) -> float | None:
    """The number that an operand is, if it is written in the program."""
    node = step.operands[operand]
    value = None
    if node is None:
        value = graph.literal(step, operand)
    else:
        node = alike(graph, node)
        made = graph.made_by[node]
        if made is not None and made.equation.primitive in RESHAPING:
            value = graph.literal(made, 0) if made.operands[0] is None else None
        elif not graph.fed_by.get(node) and len(graph.literals.get(node, ())) == 1:
            value = graph.literals[node][0]
    if value is None or np.size(value) != 1:
        return None
    array = np.asarray(value)
    return float(array.reshape(())) if array.dtype.kind in "biuf" else None


def before_by(graph: Graph, node: int, primitives: frozenset[str]) -> Iterator[int]:
    """A node and those that it is computed of by some primitives alone."""
    queue, seen = [same(graph, node)], {same(graph, node)}
    while queue:
        current = queue.pop()
        yield current
        step = graph.made_by[current]
        if step is None or step.opened or step.equation.primitive not in primitives:
            continue
        for operand in step.operands:
            if operand is not None and (earlier := same(graph, operand)) not in seen:
                seen.add(earlier)
                queue.append(earlier)


def _unchanged(graph: Graph, node: int) -> int | None:
    sources = graph.fed_by.get(node, ())
    if len(sources) == 1 and not graph.literals.get(node):
        return sources[0]
    step = graph.made_by[node]
    if step is None or step.opened:
        return None
    name = step.equation.primitive
    if name in UNCHANGED:
        return step.operands[step.results.index(node)]
    if name == "convert_element_type":
        return _widened(graph, step, node)
    if name in _NEUTRAL:
        for one, other in ((0, 1), (1, 0)):
            array = step.operands[other]
            if literal_of(graph, step, one) == _NEUTRAL[name] and array is not None:
                return array
    return None


def _widened(graph: Graph, step: Step, node: int) -> int | None:
    (operand,) = step.operands
    if operand is None:
        return None
    old, new = graph.avals[operand], graph.avals[node]
    if old.dtype == new.dtype:
        return operand
    both = is_inexact(old) and is_inexact(new)
    return operand if both and old.dtype.itemsize < new.dtype.itemsize else None


def _reshaped(graph: Graph, node: int) -> int | None:
    step = graph.made_by[node]
    if step is None or step.opened:
        return None
    if step.equation.primitive in RESHAPING:
        (operand, *_) = step.operands
        if operand is None:
            return None
        kinds = {is_inexact(graph.avals[operand]), is_inexact(graph.avals[node])}
        is_cast = step.equation.primitive == "convert_element_type"
        return operand if len(kinds) == 1 or not is_cast else None
    if step.equation.primitive == "select_n" and len(step.operands) == 3:
        predicate, _, chosen = step.operands
        asks = None if predicate is None else graph.made_by[same(graph, predicate)]
        if asks is None or asks.equation.primitive != "is_finite" or chosen is None:
            return None
        asked = asks.operands[0]
        if asked is not None and same(graph, asked) == same(graph, chosen):
            return chosen
    return None
