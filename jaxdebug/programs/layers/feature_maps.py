"""Feature maps: arrays that a convolution over rows and columns made of each example.

Which axis counts the channels is a convention of each framework, and under `vmap` of
each function. The convolution itself says it; from there the axes are followed through
what leaves an image an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jaxdebug.programs._jax import names, operations
from jaxdebug.programs.graph import Graph, Step, reached

RANK = 4


class MapAxes(NamedTuple):
    """What the axes of a feature map count."""

    batch: int
    row: int
    column: int
    channel: int


class _Back(NamedTuple):
    """An array on the way back, and where in it the axes of the last one stand."""

    node: int
    axes: tuple[int, ...]


def map_axes(graph: Graph, node: int) -> MapAxes | None:
    """The axes of an array if it is a feature map; None if it is none.

    Args:
        graph: the flow of the program.
        node: of the array.
    """
    shape = _shape(graph, node)
    if len(shape) != RANK:
        return None
    start = _Back(node, tuple(range(RANK)))
    for state in reached([start], lambda state: [*_before(graph, state)]):
        step = graph.made_by[state.node]
        if step is None or step.equation.primitive != "conv_general_dilated":
            continue
        counted = names.image_axes(step.equation.raw)
        if len(counted) == RANK:
            found = MapAxes(*(state.axes.index(axis) for axis in counted))
            is_point = shape[found.row] == shape[found.column] == 1
            return None if is_point else found
    return None


def _before(graph: Graph, state: _Back) -> Iterator[_Back]:
    node, axes = state
    for earlier in graph.fed_by.get(node, ()):
        if len(_shape(graph, earlier)) == len(_shape(graph, node)):
            yield _Back(earlier, axes)
    step = graph.made_by[node]
    if step is None or step.opened or step.equation.primitive == "conv_general_dilated":
        return
    for place, operand in enumerate(step.operands):
        if operand is None:
            continue
        moved = _moved(graph, step, place, operand, node)
        before = () if moved is None else tuple(moved[axis] for axis in axes)
        known = tuple(axis for axis in before if axis is not None)
        if len(known) == RANK:
            yield _Back(operand, known)


def _moved(
    graph: Graph, step: Step, place: int, operand: int, result: int
) -> Sequence[int | None] | None:
    """For each axis of the result, the operand's; None if it is no image any more."""
    raw, name = step.equation.raw, step.equation.primitive
    old, new = _shape(graph, operand), _shape(graph, result)
    if name == "transpose":
        return operations.permutation(raw)
    if name == "broadcast_in_dim":
        at = {axis: place for place, axis in enumerate(names.broadcast_axes(raw))}
        return [at.get(axis) for axis in range(len(new))]
    if name in ("reshape", "squeeze", "expand_dims"):
        return _without_ones(old, new)
    if name == "dot_general":
        return _of_product(operations.view_product(raw), place, len(old), len(new))
    return range(len(new)) if len(old) == len(new) else None


def _without_ones(old: Sequence[int], new: Sequence[int]) -> list[int | None] | None:
    """Axes that stay in their order while axes of length one come and go."""
    found: list[int | None] = []
    place = 0
    for size in new:
        while place < len(old) and old[place] != size and old[place] == 1:
            place += 1
        if place < len(old) and old[place] == size:
            found.append(place)
            place += 1
        elif size == 1:
            found.append(None)
        else:
            return None
    return found if all(size == 1 for size in old[place:]) else None


def _of_product(
    view: operations.Product, place: int, rank: int, made: int
) -> list[int] | None:
    """Of a dense layer on each pixel: its units stand where the channels stood."""
    summed = view.right if place else view.left
    if view.left_batch or len(summed) != 1 or made != rank:
        return None
    kept = [axis for axis in range(rank) if axis not in summed]
    return [*summed, *kept] if place else [*kept, *summed]


def _shape(graph: Graph, node: int) -> tuple[int, ...]:
    return getattr(graph.avals[node], "shape", ())
