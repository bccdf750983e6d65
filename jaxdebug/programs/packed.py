"""Gradients that are part of one vector of all parameters.

A loss may be differentiated by all its parameters in one vector, and the gradient
taken apart again. A leaf's part is followed by where it begins in each array, both
into the vector and back out of the gradient: both must be the same place.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from jaxdebug.programs._jax.pieces import piece_starts
from jaxdebug.programs.derivatives import (
    Claim,
    claim,
    makers,
    readers_below_derivatives,
)
from jaxdebug.programs.elementwise import ELEMENTWISE
from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.primitives import RESHAPING
from jaxdebug.programs.scopes import Direction
from jaxdebug.programs.updates import COLLECTIVE_SUMS, SAME_VALUE

_TAKES = frozenset({"slice", "split"})
_MOVES = SAME_VALUE | RESHAPING | _TAKES


class Part(NamedTuple):
    """The elements of an array, in their order, that belong to a leaf."""

    node: int
    start: int
    """Of the first one; there are as many as the leaf has."""


class Parts(NamedTuple):
    """What leads to a leaf's new value, element by element."""

    onward: dict[Part, Part]
    """From each part to the next on the way."""
    gradients: list[Part]
    """Those of arrays that leave the backward part."""


def parts_of(graph: Graph, output: int) -> Parts:
    """Follow a new value back to the derivative, with the place of its elements."""
    size = graph.avals[output].size
    end = Part(output, 0)
    onward, queue = {end: end}, [end]
    gradients = []
    for part in queue:
        step = graph.made_by[part.node]
        if step is not None and step.direction is Direction.BACKWARD:
            gradients.append(part)
            continue
        for earlier in _before(graph, part, size):
            if earlier not in onward and is_inexact(graph.avals[earlier.node]):
                onward[earlier] = part
                queue.append(earlier)
    return Parts(onward, gradients)


def _before(graph: Graph, part: Part, size: int) -> Iterator[Part]:
    node, start = part
    whole = graph.avals[node].size
    for earlier in graph.fed_by.get(node, ()):
        if graph.avals[earlier].size == whole:
            yield Part(earlier, start)
    step = graph.made_by[node]
    if step is None or step.opened or step.differentiated:
        return
    primitive = step.equation.primitive
    operands = [n for n in step.operands if n is not None]
    if primitive in _TAKES:
        starts = piece_starts(step.equation.raw)
        if starts is not None:
            yield Part(operands[0], start + starts[step.results.index(node)])
    elif primitive == "concatenate" and len(graph.avals[node].shape) == 1:
        begin = 0  # literals have no axis to be put together along
        for operand in operands:
            end = begin + graph.avals[operand].size
            if begin <= start and start + size <= end:
                yield Part(operand, start - begin)
            begin = end
    elif primitive in SAME_VALUE | COLLECTIVE_SUMS:
        same = step.operands[step.results.index(node)]
        yield from () if same is None else (Part(same, start),)
    elif primitive in RESHAPING:
        yield from (Part(n, start) for n in operands if graph.avals[n].size == whole)
    elif primitive in ELEMENTWISE:
        shape = graph.avals[node].shape
        yield from (Part(n, start) for n in operands if graph.avals[n].shape == shape)


def packed_gradient(graph: Graph, start: int, parts: Parts) -> list[int | None]:
    """The arrays that are a leaf's part of a gradient by one vector.

    Args:
        graph: the flow of the program.
        start: the node of the leaf's old value.
        parts: what leads to its new one.

    Returns:
        One for each such gradient; None where it is changed before it is taken
        apart.
    """
    whole = [
        g for g in parts.gradients if graph.avals[g.node].size > _size(graph, start)
    ]
    if not whole:
        return []
    packed = [
        (part, readers_below_derivatives(graph, part.node))
        for part in _packed_in(graph, start)
    ]
    found: list[int | None] = []
    for gradient in whole:
        made = makers(graph, gradient.node)
        if any(
            part.start == gradient.start
            and graph.avals[part.node].shape == graph.avals[gradient.node].shape
            and claim(readers, made) is Claim.DIRECT
            for part, readers in packed
        ):
            found.append(_taken_out(graph, gradient, parts, start))
    return found


def _size(graph: Graph, node: int) -> int:
    return graph.avals[node].size


def _packed_in(graph: Graph, start: int) -> list[Part]:
    """Where a leaf stands in vectors that the program makes outside a derivative."""
    size, queue = _size(graph, start), [Part(start, 0)]
    for part in queue:
        after = [
            Part(node, part.start)
            for node in graph.feeds.get(part.node, ())
            if _size(graph, node) == _size(graph, part.node)
        ]
        for step in graph.readers.get(part.node, ()):
            if step.opened or step.differentiated:
                continue
            for result in step.results:
                # The same rules as on the way back say where it stands.
                starts = _starts_in(graph, step, part)
                after += [
                    Part(result, begin)
                    for begin in starts
                    if part in _before(graph, Part(result, begin), size)
                ]
        queue += [part for part in after if part not in queue]
    return [part for part in queue if _size(graph, part.node) > size]


def _starts_in(graph: Graph, step: Step, part: Part) -> list[int]:
    """Where a part may begin in a result, if it is moved there and nothing else."""
    primitive = step.equation.primitive
    if primitive in SAME_VALUE | RESHAPING:
        return [part.start]
    if primitive != "concatenate":
        return []
    sizes = [1 if n is None else _size(graph, n) for n in step.operands]
    begins = [0, *accumulate(sizes)]
    return [
        begins[index] + part.start
        for index, node in enumerate(step.operands)
        if node == part.node
    ]


def _taken_out(graph: Graph, gradient: Part, parts: Parts, leaf: int) -> int | None:
    """The leaf's gradient: its part, as it is before anything else happens to it."""
    part, shape = gradient, graph.avals[leaf].shape
    while graph.avals[part.node].shape != shape:
        part = parts.onward[part]
        step = graph.made_by[part.node]
        is_plain = step is None or step.opened or step.equation.primitive in _MOVES
        if not is_plain:
            return None
    return part.node
