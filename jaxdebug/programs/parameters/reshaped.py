"""A leaf in the shape that a step computes with.

`pmap` gives each device its slice of a leaf, takes the axis of length one out of
it, and puts it into the new value again.
"""

from __future__ import annotations

from collections.abc import Iterator

from jaxdebug.programs.graph import Graph, Step, reached
from jaxdebug.programs.parameters.flow import source
from jaxdebug.programs.primitives import RESHAPING


def inner_forms(graph: Graph, start: int) -> Iterator[int]:
    """A leaf's old value, and what is the same but for axes of length one."""

    def after(node: int) -> Iterator[int]:
        yield from graph.feeds.get(node, ())
        for step in graph.readers.get(node, ()):
            if _reshapes(graph, step):
                yield from step.results

    return reached([start], after)


def inner_end(graph: Graph, end: int) -> int:
    """A leaf's new value before it was given axes of length one."""
    node = end
    while True:
        step = graph.made_by[source(graph, node)]
        if step is None or not _reshapes(graph, step) or step.operands[0] is None:
            return node
        node = step.operands[0]


def inner_pair(graph: Graph, start: int, end: int) -> tuple[int, int]:
    """A leaf's old and new value in the shape that the step computes with.

    The ends themselves where the new value is not reshaped, or not the old one.
    """
    inner = inner_end(graph, end)
    if inner == end:
        return start, end
    shape = graph.avals[inner].shape
    forms = (n for n in inner_forms(graph, start) if graph.avals[n].shape == shape)
    found = next(forms, None)
    return (start, end) if found is None else (found, inner)


def _reshapes(graph: Graph, step: Step) -> bool:
    """Whether it only adds or takes out axes of length one, outside a derivative."""
    if step.differentiated or step.equation.primitive not in RESHAPING:
        return False
    if step.operands[0] is None:
        return False
    shapes = (graph.avals[step.operands[0]].shape, graph.avals[step.results[0]].shape)
    old, new = (tuple(size for size in shape if size != 1) for shape in shapes)
    return old == new and shapes[0] != shapes[1]
