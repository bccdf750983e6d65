"""The cotangent of a layer that only its parameters name.

What JAX makes of a layer's last equations is known: of a product with a weight,
a product of the cotangent with that weight, and one with the other factor that
leads to the weight's gradient; of an added bias, a sum that leads to its
gradient. Each of these names an array as the cotangent; all must name the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.layers.parameter_layers import ParameterLayer
from jaxdebug.programs.parameters.backward_flow import (
    LINEAR,
    is_backward,
    nodes_before,
    steps_before,
)
from jaxdebug.programs.parameters.derivatives import transposes
from jaxdebug.programs.parameters.flow import LAYOUT, Flow, maker, source
from jaxdebug.programs.primitives import CONTRACTIONS, SUMS
from jaxdebug.programs.scopes import Direction

_FACTORS = CONTRACTIONS | {"mul"}
_TRANSPOSED = {"gather": "scatter-add"}
"""Primitive that the backward part has, where it is another one."""


@dataclass(eq=False)
class Cotangent:
    """The array that is a layer's cotangent, and who reads it for the layer."""

    node: int | None = None
    readers: list[Step] = field(default_factory=list)
    reason: str = ""


class Backward(NamedTuple):
    """What the search for cotangents asks of a program, worked out once."""

    graph: Graph
    flow: Flow
    gradients: Mapping[int, int]
    """Node of the gradient of each parameter that has one."""
    products: dict[tuple[str, frozenset[int]], list[Step]]
    """Backward products by their primitive and the weight they read."""


def backward_of(graph: Graph, flow: Flow, gradients: Mapping[int, int]) -> Backward:
    """Sort the backward products of a program by the weights they read."""
    products: dict[tuple[str, frozenset[int]], list[Step]] = defaultdict(list)
    for step in graph.steps:
        primitive = step.equation.primitive
        if step.direction is Direction.BACKWARD and primitive in _FACTORS:
            weights = {flow.made_of[n] for n in step.operands if n in flow.made_of}
            for weight in weights:
                products[primitive, weight].append(step)
    return Backward(graph, flow, gradients, products)


def cotangent_of(
    backward: Backward, layer: ParameterLayer, rivals: Sequence[Step]
) -> Cotangent:
    """The cotangent of a layer's output.

    Args:
        backward: the program.
        layer: one call of a layer.
        rivals: equations of other calls that consume its parameters.
    """
    graph = backward.graph
    readers: dict[int, list[Step]] = defaultdict(list)
    possible: list[set[int]] = []
    for consumer, layouts in _last_consumers(graph, layer):
        for candidates in _evidence(backward, consumer, rivals):
            named = set()
            for start, steps in candidates:
                node, moved = _before_layouts(graph, start, layouts)
                if node is not None and _is_like_output(graph, node, layer):
                    named.add(source(graph, node))
                    readers[source(graph, node)] += [*moved, *steps]
            if named:
                possible.append(named)
    if not possible:
        return Cotangent()
    agreed = set.intersection(*possible)
    if len(agreed) != 1:
        count = len(set.union(*possible))
        return Cotangent(reason=f"{count} arrays could be its cotangent")
    (node,) = agreed
    return Cotangent(node, readers[node])


def _is_like_output(graph: Graph, node: int, layer: ParameterLayer) -> bool:
    return _type(graph, node) == _type(graph, layer.members[-1].results[0])


def _type(graph: Graph, node: int) -> tuple[tuple[int, ...] | None, object]:
    aval = graph.avals[node]
    return getattr(aval, "shape", None), getattr(aval, "dtype", None)


def _last_consumers(graph: Graph, layer: ParameterLayer) -> Iterator[tuple[Step, int]]:
    """Consumers whose cotangent is the layer's, and how many layouts lie between."""
    layouts = 0
    queue = [(layer.members[-1], 0)]
    seen: set[Step] = set()
    while queue:
        step, layouts = queue.pop()
        if step in seen:
            continue
        seen.add(step)
        if step in layer.consumers:
            yield step, layouts
        primitive = step.equation.primitive
        operands = [n for n in step.operands if n is not None]
        if primitive == "sub":
            operands = operands[:1] if step.operands[0] is not None else []
        elif primitive not in SUMS | LAYOUT:
            continue
        for node in operands:
            before = maker(graph, node)
            if before is not None and before in layer.members:
                queue.append((before, layouts + (primitive in LAYOUT)))


_Candidates = list[tuple[int, list[Step]]]


def _evidence(
    backward: Backward, consumer: Step, rivals: Sequence[Step]
) -> Iterator[_Candidates]:
    """What each backward use of a consumer's weight and data says it could be.

    Arrays, each with the equations that read it for the layer.
    """
    graph, flow, gradients, _ = backward
    primitive = consumer.equation.primitive
    through, behind = _uses(backward, consumer)

    def is_own(step: Step) -> bool:
        others = (transposes(step, rival) for rival in rivals)
        return transposes(step, consumer) and not any(others)

    def has_its_data(step: Step) -> bool:
        may_be = not rivals or transposes(step, consumer)
        return may_be and _reads_data_of(graph, flow, step, consumer)

    for steps in through:
        own = (step for step in steps if not rivals or is_own(step))
        yield [found for step in own for found in _named_by(graph, step, consumer)]
    for leaf, steps in behind.items():
        if primitive not in SUMS:
            certain = not rivals and primitive != "mul"
            own = (s for s in steps if certain or is_own(s) or has_its_data(s))
            yield [found for step in own for found in _named_by(graph, step, consumer)]
        elif not rivals:
            # A sum does not tell which call it is of.
            yield list(_sums_before(graph, gradients[leaf], consumer))


def _uses(
    backward: Backward, consumer: Step
) -> tuple[list[list[Step]], dict[int, list[Step]]]:
    """Backward equations like a consumer: of the cotangent with each of its weights,
    and behind the gradient of each of its parameters."""
    graph, flow, gradients, products = backward
    primitive = consumer.equation.primitive
    weights = {flow.made_of[n] for n in consumer.operands if n in flow.made_of}
    behind = {
        leaf: list(steps_before(graph, gradients[leaf]))
        for leaf in frozenset[int]().union(*weights)
        if leaf in gradients
    }
    # Not what leads to the parameter instead of through the layer.
    leading = {step for steps in behind.values() for step in steps}
    every = (products.get((primitive, weight), ()) for weight in weights)
    through = [[s for s in steps if s not in leading] for steps in every]
    name = _TRANSPOSED.get(primitive, primitive)
    alike = {
        leaf: [step for step in steps if step.equation.primitive == name]
        for leaf, steps in behind.items()
    }
    return through, alike


def are_accounted_for(
    backward: Backward, calls: Sequence[ParameterLayer], cotangents: Collection[int]
) -> bool:
    """Whether the backward part reads no other cotangents for a layer than these.

    Args:
        backward: the program.
        calls: every call of the layer.
        cotangents: those that are known: the other calls may have none.
    """
    graph, _, gradients, _ = backward
    types = {_type(graph, layer.members[-1].results[0]) for layer in calls}
    for layer in calls:
        for consumer, layouts in _last_consumers(graph, layer):
            through, behind = _uses(backward, consumer)
            read: list[int] = []
            for step in (s for steps in (*through, *behind.values()) for s in steps):
                nodes = (n for n in step.operands if n is not None)
                entering = [n for n in nodes if is_backward(graph, n)]
                if len(entering) != 1:
                    return False
                read += entering
            if consumer.equation.primitive in SUMS:
                shapes = {shape for shape, _ in types if shape is not None}
                sums = (nodes_before(graph, gradients[leaf], shapes) for leaf in behind)
                read += [n for found in sums for n in found if _type(graph, n) in types]
            for start in read:
                node, _ = _before_layouts(graph, start, layouts)
                if node is None or source(graph, node) not in cotangents:
                    return False
    return True


def _named_by(
    graph: Graph, step: Step, consumer: Step
) -> Iterator[tuple[int, list[Step]]]:
    """The one backward operand of an equation, if it is like the consumer's result."""
    nodes = [n for n in step.operands if n is not None and is_backward(graph, n)]
    if len(nodes) == 1 and _type(graph, nodes[0]) == _type(graph, consumer.results[0]):
        yield nodes[0], [step]


def _reads_data_of(graph: Graph, flow: Flow, step: Step, consumer: Step) -> bool:
    """Whether an equation reads the data that the consumer joins with a weight."""
    theirs = {_plain(graph, n) for n in consumer.operands if n in flow.data}
    return any(
        _plain(graph, node) in theirs for node in step.operands if node is not None
    )


def _plain(graph: Graph, node: int) -> int:
    """The array as it was before casts and transposes."""
    while True:
        step = maker(graph, node)
        if step is None or step.equation.primitive not in LAYOUT:
            return source(graph, node)
        operand = step.operands[0] if step.operands else None
        if operand is None:
            return source(graph, node)
        node = operand


def _sums_before(
    graph: Graph, gradient: int, consumer: Step
) -> Iterator[tuple[int, list[Step]]]:
    """What is summed over to become the gradient of something added."""
    wanted = _type(graph, consumer.results[0])
    node = source(graph, gradient)
    passed: list[Step] = []
    while _type(graph, node) != wanted:
        step = maker(graph, node)
        if step is None or step.direction is not Direction.BACKWARD:
            return
        if step.equation.primitive not in LINEAR - {"add_any"}:
            return
        operand = step.operands[0]
        if operand is None:
            return
        passed.append(step)
        node = source(graph, operand)
    if passed:
        yield node, passed


def _before_layouts(
    graph: Graph, node: int, count: int
) -> tuple[int | None, list[Step]]:
    """The array before so many casts and transposes."""
    passed: list[Step] = []
    for _ in range(count):
        step = maker(graph, node)
        if step is None or step.direction is not Direction.BACKWARD:
            return None, []
        operand = step.operands[0]
        if operand is None or not _keeps_elements(graph, step, operand):
            return None, []
        passed.append(step)
        node = operand
    return node, passed


def _keeps_elements(graph: Graph, step: Step, operand: int) -> bool:
    if step.equation.primitive == "broadcast_in_dim":
        # The transpose of squeeze.
        return graph.avals[operand].size == graph.avals[step.results[0]].size
    return step.equation.primitive in LAYOUT
