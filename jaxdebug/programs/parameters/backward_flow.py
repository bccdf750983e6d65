"""The backward part of a program, read back from an array it made.

What JAX makes of an equation is known: of a product, a product of the cotangent
with the other factor; of a sum, no equation at all. So the equations just behind
an array, past those that only move, repeat or add up, tell what it came from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.parameters.flow import LAYOUT
from jaxdebug.programs.scopes import Direction

LINEAR = LAYOUT | {
    "add_any",
    "broadcast_in_dim",
    "neg",
    "pad",
    "reduce_sum",
    "rev",
    "slice",
    "split",
}
"""Backward primitives that only move, repeat or add up."""


def is_backward(graph: Graph, node: int) -> bool:
    """Whether a backward equation made the node, not only gave it its shape."""
    for origin in graph.origins(node):
        step = graph.made_by[origin]
        if step is None or step.opened or step.direction is not Direction.BACKWARD:
            continue
        if any(n is not None for n in step.operands):
            return True
    return False


def nodes_before(
    graph: Graph, gradient: int, shapes: Collection[tuple[int, ...]] = ()
) -> Iterator[int]:
    """The array and those it is a linear sum of, back to what is made otherwise.

    Args:
        graph: the flow of the program.
        gradient: the array.
        shapes: go no further back than arrays of these.
    """
    seen, queue = {gradient}, [gradient]
    while queue:
        node = queue.pop()
        yield node
        if getattr(graph.avals[node], "shape", None) in shapes:
            continue
        step = graph.made_by[node]
        before = list(graph.fed_by.get(node, ()))
        if step is not None and not step.opened:
            if step.direction is not Direction.BACKWARD:
                continue
            if step.equation.primitive not in LINEAR:
                continue
            before += [n for n in step.operands if n is not None]
        for earlier in before:
            if earlier not in seen:
                seen.add(earlier)
                queue.append(earlier)


def steps_before(graph: Graph, gradient: int) -> Iterator[Step]:
    """The equations behind a gradient, back to the first that are not linear sums."""
    for node in nodes_before(graph, gradient):
        step = graph.made_by[node]
        if step is None or step.opened or step.direction is not Direction.BACKWARD:
            continue
        if step.equation.primitive not in LINEAR:
            yield step
