"""Gradients that lead to a leaf element by element, packed with others or not.

A loss may be differentiated by all its parameters in one vector, and the gradient
taken apart again. A leaf's part is followed by where it begins in each array, both
into the vector and back out of the gradient: both must be the same place. What a
device has of an array sharded over devices counts as all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from jaxdebug.programs._jax.pieces import piece_starts
from jaxdebug.programs.elementwise import ELEMENTWISE
from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.parameters.derivatives import (
    Claim,
    claim,
    makers,
    readers_below_derivatives,
)
from jaxdebug.programs.parameters.updates import COLLECTIVE_SUMS, SAME_VALUE
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.primitives import RESHAPING
from jaxdebug.programs.scopes import Direction

_TAKES = frozenset({"slice", "split"})
_MOVES = SAME_VALUE | RESHAPING | _TAKES


class Part(NamedTuple):
    """The elements of an array, in their order, that belong to a leaf."""

    node: int
    start: int
    """Of the first one."""
    size: int
    """How many: as many as the leaf has, or one device's share of them."""


class Parts(NamedTuple):
    """What leads to a leaf's new value, element by element."""

    onward: dict[Part, Part]
    """From each part to the next on the way."""
    gradients: list[Part]
    """Those of arrays that leave the backward part."""


def parts_of(graph: Graph, output: int) -> Parts:
    """Follow a new value back to the derivative, with the place of its elements."""
    end = whole(graph, output)
    onward, queue = {end: end}, [end]
    gradients = []
    for part in queue:
        step = graph.made_by[part.node]
        if step is not None and step.direction is Direction.BACKWARD:
            gradients.append(part)
            continue
        for earlier in _before(graph, part):
            if earlier not in onward and is_inexact(graph.avals[earlier.node]):
                onward[earlier] = part
                queue.append(earlier)
    return Parts(onward, gradients)


def whole(graph: Graph, node: int) -> Part:
    """All elements of an array."""
    return Part(node, 0, graph.avals[node].size)


def reshaped(graph: Graph, parts: Parts, leaf: int) -> set[int]:
    """Gradients of a leaf's shape; on several devices, of one device's share of it.

    Args:
        graph: the flow of the program.
        parts: what leads to the leaf's new value.
        leaf: the node of its old one.
    """
    shape = graph.avals[leaf].shape
    shapes = {_without_ones(shape), _without_ones(shape[1:])}
    return {
        part.node
        for part in parts.gradients
        if part == whole(graph, part.node)
        and _without_ones(graph.avals[part.node].shape) in shapes
    }


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(length for length in shape if length != 1)


def _passed(graph: Graph, part: Part, other: int, across: Step | None) -> list[Part]:
    """The same elements in a node that a part is passed on from, or to."""
    if graph.avals[other].size == graph.avals[part.node].size:
        return [part._replace(node=other)]
    is_share = across is not None and across.equation.primitive == "shard_map"
    return [whole(graph, other)] if is_share and part == whole(graph, part.node) else []


def _before(graph: Graph, part: Part) -> Iterator[Part]:
    node, start, size = part
    step, total = graph.made_by[node], graph.avals[node].size
    across = graph.entered[node][0] if node in graph.entered else step
    for earlier in graph.fed_by.get(node, ()):
        yield from _passed(graph, part, earlier, across)
    if step is None or step.opened or step.differentiated:
        return
    primitive = step.equation.primitive
    operands = [n for n in step.operands if n is not None]
    if primitive in _TAKES:
        starts = piece_starts(step.equation.raw)
        if starts is not None:
            begin = starts[step.results.index(node)]
            yield Part(operands[0], start + begin, size)
    elif primitive == "concatenate" and len(graph.avals[node].shape) == 1:
        begin = 0  # literals have no axis to be put together along
        for operand in operands:
            end = begin + graph.avals[operand].size
            if begin <= start and start + size <= end:
                yield Part(operand, start - begin, size)
            begin = end
    elif primitive in SAME_VALUE | COLLECTIVE_SUMS:
        same = step.operands[step.results.index(node)]
        yield from () if same is None else (part._replace(node=same),)
    elif primitive in RESHAPING:
        yield from (
            part._replace(node=n) for n in operands if graph.avals[n].size == total
        )
    elif primitive in ELEMENTWISE:
        shape = graph.avals[node].shape
        yield from (
            part._replace(node=n) for n in operands if graph.avals[n].shape == shape
        )


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
    several = [g for g in parts.gradients if g != whole(graph, g.node)]
    if not several:
        return []
    packed = [
        (part, readers_below_derivatives(graph, part.node))
        for part in _packed_in(graph, start)
    ]
    found: list[int | None] = []
    for gradient in several:
        made = makers(graph, gradient.node)
        if any(
            part.start == gradient.start
            and graph.avals[part.node].shape == graph.avals[gradient.node].shape
            and claim(readers, made) is Claim.DIRECT
            for part, readers in packed
        ):
            found.append(_taken_out(graph, gradient, parts, start))
    return found


def _packed_in(graph: Graph, start: int) -> list[Part]:
    """Where a leaf stands in vectors that the program makes outside a derivative."""
    queue = [whole(graph, start)]
    for part in queue:
        after: list[Part] = []
        for node in graph.feeds.get(part.node, ()):
            entered = graph.entered.get(node, (graph.made_by[node], None))
            after += _passed(graph, part, node, entered[0])
        for step in graph.readers.get(part.node, ()):
            if step.opened or step.differentiated:
                continue
            # The same rules as on the way back say where it stands.
            later = (
                part._replace(node=result, start=begin)
                for result in step.results
                for begin in _starts_in(graph, step, part)
            )
            after += [new for new in later if part in _before(graph, new)]
        queue += [part for part in after if part not in queue]
    return [part for part in queue if part != whole(graph, part.node)]


def _starts_in(graph: Graph, step: Step, part: Part) -> list[int]:
    """Where a part may begin in a result, if it is moved there and nothing else."""
    primitive = step.equation.primitive
    if primitive in SAME_VALUE | RESHAPING:
        return [part.start]
    if primitive != "concatenate":
        return []
    operands = [n for n in step.operands if n is not None]
    begins = accumulate((graph.avals[n].size for n in operands), initial=0)
    return [
        begin + part.start
        for begin, node in zip(begins, operands, strict=False)
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
