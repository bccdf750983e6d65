"""Whether an array is what a layer made, or a statistic of it."""

from __future__ import annotations

from typing import NamedTuple

from jaxdebug.programs._jax import names
from jaxdebug.programs.elementwise import ELEMENTWISE
from jaxdebug.programs.graph import Graph, Step, reached
from jaxdebug.programs.primitives import RESHAPING

PASSED = ELEMENTWISE | RESHAPING


def comes_from_a_layer(graph: Graph, root: int) -> bool:
    """Whether more than inputs and statistics is in it: no variance, no weight.

    Features pooled over time are a layer's still. What is reduced over the
    examples, over the units or to a mean square is a statistic of them.
    """

    def before(state: _Back) -> list[_Back]:
        node, squared, reduced = state
        found = [_Back(n, squared, reduced) for n in graph.fed_by.get(node, ())]
        step = graph.made_by[node]
        if step is None or step.opened:
            return found
        if _is_reduction(step):
            reduced = True
            if not _keeps_examples_and_units(graph, step):
                return found
        elif step.equation.primitive not in PASSED:
            return found
        squared = squared or _is_square(step)
        if squared and reduced:
            return found
        nodes = (n for n in step.operands if n is not None)
        return [*found, *(_Back(n, squared, reduced) for n in nodes)]

    steps = (graph.made_by[s.node] for s in reached([_Back(root)], before))
    return any(
        step is not None
        and not step.opened
        and step.equation.primitive not in PASSED
        and not _is_reduction(step)
        and not step.equation.primitive.startswith("arg")
        for step in steps
    )


class _Back(NamedTuple):
    """An array on the way back, and what was done to it behind there."""

    node: int
    squared: bool = False
    reduced: bool = False


def _is_reduction(step: Step) -> bool:
    name = step.equation.primitive
    return (name.startswith("reduce_") and name != "reduce_precision") or _is_sum(step)


def _is_sum(step: Step) -> bool:
    """Over devices, or over the examples of a vmap."""
    return step.equation.primitive.startswith(("psum", "pmax", "pmin"))


def _is_square(step: Step) -> bool:
    name, operands = step.equation.primitive, step.operands
    same = len(operands) == 2 and operands[0] == operands[1]
    return name in ("abs", "square", "integer_pow") or (name == "mul" and same)


def _keeps_examples_and_units(graph: Graph, step: Step) -> bool:
    (node, *_) = step.operands
    if node is not None and _is_sum(step):
        # It may add up parts of one product; not so if a vmap's examples are gone.
        shapes = (graph.avals[n].shape for n in (node, step.results[0]))
        before, after = map(len, shapes)
        return after == before or after > 1
    if node is None or not step.equation.primitive.startswith(_POOLS):
        return False
    rank = len(graph.avals[node].shape)
    return not {0, rank - 1} & {*names.reduced_axes(step.equation.raw)}


_POOLS = ("reduce_sum", "reduce_max", "reduce_min")
