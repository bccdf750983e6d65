"""How a leaf's new value came about: the arrays that lead to it, and p + Δ.

The new value is followed back through the part of a step outside the derivative,
by arrays of one shape. Where the derivative begins the walk ends: at arrays that
leave its backward part, and at arrays of its forward part.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import NamedTuple

from jaxdebug.programs.graph import Graph, Step, reached
from jaxdebug.programs.places import Place, is_inexact
from jaxdebug.programs.scopes import Direction

SAME_VALUE = frozenset(
    {
        "convert_element_type",
        "copy",
        "copy_p",
        "reduce_precision",
        "sharding_constraint",
        "pvary",
        "pcast",
        "optimization_barrier",
    }
)
"""Primitives whose results are their operands, but for rounding and placement."""

LOOPS = frozenset({"scan", "while"})
COLLECTIVE_SUMS = frozenset({"psum", "psum2", "psum_invariant"})


class Trail(NamedTuple):
    """What leads to a new value."""

    nodes: dict[int, int]
    """Each array on the way, with its leading axes beyond those of the leaf."""
    gradients: list[int]
    """Arrays that leave the backward part, nearest first."""
    computed: bool
    """Whether any arithmetic is on the way."""


def trail_of(
    graph: Graph,
    output: int,
    *,
    any_shape: bool = False,
    choices: bool = False,
    without: Set[int] = frozenset(),
) -> Trail:
    """Follow a new value back to the derivative.

    Args:
        graph: the flow of the program.
        output: the node of the new value.
        any_shape: follow arrays of other shapes too, such as all gradients packed
            into one vector, or a matrix turned on its side. Not single numbers: by
            the norm of all gradients every one leads to every parameter.
        choices: follow what chooses between arrays too, element by element.
        without: nodes not to follow.
    """
    nodes, queue = {output: 0}, [output]
    gradients: list[int] = []
    computed = False
    for node in queue:
        step = graph.made_by[node]
        if step is not None and step.direction is Direction.BACKWARD:
            gradients.append(node)
            continue
        before = {n: _axes(graph, n, node) for n in graph.fed_by.get(node, ())}
        if step is not None and not step.opened:
            if step.differentiated:
                continue
            computed = computed or step.equation.primitive not in SAME_VALUE
            before.update(_operands(graph, step, node, any_shape))
        for earlier, added in before.items():
            if earlier in nodes or earlier in without:
                continue
            aval = graph.avals[earlier]
            if is_inexact(aval) or (choices and aval.dtype == bool):
                nodes[earlier] = nodes[node] + added
                queue.append(earlier)
    return Trail(nodes, gradients, computed)


def _operands(graph: Graph, step: Step, node: int, any_shape: bool) -> dict[int, int]:
    """Operands that hold an array like the result, or several to be added up."""
    operands = [n for n in step.operands if n is not None]
    if any_shape:
        packs = step.equation.primitive == "concatenate"
        single = packs or graph.avals[node].size == 1
        return {n: 0 for n in operands if single or graph.avals[n].size > 1}
    shape = graph.avals[node].shape
    found = {n: 0 for n in operands if graph.avals[n].shape == shape}
    if step.equation.primitive == "reduce_sum":
        found.update({n: 1 for n in operands if graph.avals[n].shape[1:] == shape})
    return found


def _axes(graph: Graph, earlier: int, node: int) -> int:
    return len(graph.avals[earlier].shape) - len(graph.avals[node].shape)


def is_gradient(graph: Graph, output: int) -> bool:
    """Whether a new value is a gradient itself, or one of several, as it is."""

    def before(node: int) -> list[int]:
        step = graph.made_by[node]
        nodes = list(graph.fed_by.get(node, ()))
        if step is None or step.opened:
            return nodes
        if step.direction is Direction.BACKWARD:
            return []
        if step.equation.primitive == "select_n":
            return [n for n in step.operands[1:] if n is not None]
        if step.equation.primitive not in SAME_VALUE:
            return []
        return [n for n in (_same_operand(step, node),) if n is not None]

    made_by = (graph.made_by[node] for node in reached([output], before))
    return any(s is not None and s.direction is Direction.BACKWARD for s in made_by)


def added_to(graph: Graph, output: int, start: int) -> Place | None:
    """Δ in the p + Δ, or p - Δ, that makes a leaf's new value, if there is one.

    Args:
        graph: the flow of the program.
        output: the node of the new value.
        start: the node of the old value.
    """
    seen, queue = {output}, [output]
    places = []
    for node in queue:
        if _is_old(graph, node, start):
            continue  # a branch that leaves the leaf as it is
        step = graph.made_by[node]
        before = list(graph.fed_by.get(node, ()))
        if step is not None and not step.opened:
            primitive = step.equation.primitive
            if primitive == "select_n":
                before = [n for n in step.operands[1:] if n is not None]
            elif primitive in SAME_VALUE:
                before = [n for n in (_same_operand(step, node),) if n is not None]
            else:
                place = _sum_with(graph, step, start)
                if place is None:
                    return None
                places.append(place)
        elif not before:
            return None
        fresh = [n for n in before if n not in seen]
        seen.update(fresh)
        queue.extend(fresh)
    return places[0] if len(places) == 1 else None


def _same_operand(step: Step, node: int) -> int | None:
    return step.operands[step.results.index(node)]


def _sum_with(graph: Graph, step: Step, start: int) -> Place | None:
    """The other operand of a sum with the old value."""
    primitive = step.equation.primitive
    if primitive not in ("add", "sub"):
        return None
    for index, node in enumerate(step.operands[: 1 if primitive == "sub" else 2]):
        if node is not None and _is_old(graph, node, start):
            return Place(step.address, 1 - index, operand=True)
    return None


def _is_old(graph: Graph, node: int, start: int) -> bool:
    """Whether a node is the old value, at the first iteration if in a loop."""
    seen, queue = {node}, [node]
    for current in queue:
        if current == start:
            return True
        step = graph.made_by[current]
        if step is None:
            before = graph.fed_by.get(current, ())
        elif step.equation.primitive in SAME_VALUE:
            same = _same_operand(step, current)
            before = () if same is None else (same,)
        else:
            continue
        fresh = [n for n in before if n not in seen]
        seen.update(fresh)
        queue.extend(fresh)
    return False


def waits_for_counter(graph: Graph, output: int) -> bool:
    """Whether a choice by integers of the state decides if a leaf is updated.

    As in gradients of several steps added up, or one of two optimisers that moves at
    every fifth step. What chooses by a gradient, as clipping does, is none.

    Args:
        graph: the flow of the program.
        output: the node of the leaf's new value.
    """
    inputs = set(graph.inputs)
    for node in trail_of(graph, output).nodes:
        step = graph.made_by[node]
        deciding = () if step is None else _deciding(graph, step)
        if any(_is_counted(graph, earlier, inputs) for earlier in deciding):
            return True
    return False


def _deciding(graph: Graph, step: Step) -> list[int]:
    """What an equation chooses by: its predicate, or a factor that is 0 or 1."""
    primitive = step.equation.primitive
    if primitive in ("select_n", "cond"):
        return [node for node in step.operands[:1] if node is not None]
    if primitive != "mul":
        return []
    factors = [node for node in step.operands if node is not None]
    return [n for n in factors if any(_is_truth(graph, o) for o in _same(graph, n))]


def _is_truth(graph: Graph, node: int) -> bool:
    return str(getattr(graph.avals[node], "dtype", "")) == "bool"


def _same(graph: Graph, node: int) -> Iterator[int]:
    """The node and every node whose values it holds, cast or passed into a body."""

    def before(current: int) -> list[int]:
        step = graph.made_by[current]
        nodes = list(graph.fed_by.get(current, ()))
        if step is not None and step.equation.primitive in SAME_VALUE:
            nodes += [n for n in (_same_operand(step, current),) if n is not None]
        return nodes

    return reached([node], before)


def _is_counted(graph: Graph, node: int, inputs: Set[int]) -> bool:
    """Whether an array depends on integers of the state and on nothing else."""
    counts = False
    for earlier in graph.before(node):
        step = graph.made_by[earlier]
        if step is not None and step.direction is Direction.BACKWARD:
            return False
        if earlier in inputs:
            if is_inexact(graph.avals[earlier]):
                return False
            counts = True
    return counts
