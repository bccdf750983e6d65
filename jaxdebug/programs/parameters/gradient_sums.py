"""Sums of gradients: over micro-batches, examples, losses and devices.

What a user calls the gradient of a step is the sum, or the mean, that the
optimiser is given. It is followed from the gradients as far as every array is
nothing but a weighted sum of them, with weights that are no function of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from jaxdebug.programs.graph import Graph
from jaxdebug.programs.parameters.updates import (
    COLLECTIVE_SUMS,
    LOOPS,
    SAME_VALUE,
    Trail,
)
from jaxdebug.programs.scopes import Direction

_FILLS = ("broadcast_in_dim", "convert_element_type")


def sum_of(graph: Graph, trail: Trail, gradients: Sequence[int]) -> int | None:
    """The last node at which all the gradients have been added up.

    Args:
        graph: the flow of the program.
        trail: how they lead to a leaf's new value.
        gradients: the leaf's own.

    Returns:
        The gradient itself if it is one and nothing is added up; None if they are
        not added up to one array of the leaf's shape before anything else happens.
    """
    whole = frozenset(gradients)
    if len(whole) > 1 and _depend(graph, whole):
        return None  # one gradient was taken at a point that another led to
    terms = _terms(graph, trail, whole)
    # The trail runs back from the new value: the first sum met is the last made.
    for node, axes in trail.nodes.items():
        complete = axes <= 0 and node not in whole and terms.get(node) == whole
        if complete and _adds_up(graph, node, terms):
            return node
    single = gradients[0]
    return single if len(whole) == 1 and trail.nodes[single] <= 0 else None


def _depend(graph: Graph, gradients: frozenset[int]) -> bool:
    return any(
        not gradients.isdisjoint(set(graph.before(node)) - {node}) for node in gradients
    )


def _adds_up(graph: Graph, node: int, terms: Mapping[int, frozenset[int]]) -> bool:
    """Whether gradients are added at this node, or leave a loop here."""
    step = graph.made_by[node]
    if step is None:
        return False
    primitive = step.equation.primitive
    if primitive in ("add", "add_any"):
        return all(n is not None and terms.get(n) for n in step.operands)
    return primitive in COLLECTIVE_SUMS | LOOPS | {"reduce_sum"}


def _terms(
    graph: Graph, trail: Trail, gradients: frozenset[int]
) -> dict[int, frozenset[int]]:
    """Arrays that are weighted sums of the gradients, and of which; zeros of none."""
    sources: dict[int, Sequence[int | None]] = {node: () for node in gradients}
    readers: dict[int, list[int]] = defaultdict(list)
    others = []
    for node in trail.nodes:
        if node not in gradients:
            found = _summed_by(graph, node)
            if found is None or not all(n in trail.nodes for n in found):
                others.append(node)
                continue
            sources[node] = found
            for source in found:
                assert source is not None
                readers[source].append(node)
    for node in others:  # what reads anything else is no sum either
        others += [n for n in readers[node] if sources.pop(n, None) is not None]

    terms = {node: frozenset[int]() for node in sources}
    terms.update({node: frozenset({node}) for node in gradients})
    queue = [*gradients]
    for node in queue:
        for reader in readers[node]:
            # What the carry of a loop starts from counts, not what comes back.
            back = reader in graph.entered and graph.entered[reader][1] != node
            if reader in sources and not back and not terms[node] <= terms[reader]:
                terms[reader] |= terms[node]
                queue.append(reader)
    return terms


def _summed_by(graph: Graph, node: int) -> Sequence[int | None] | None:
    """The arrays whose weighted sum a node is, if it is one."""
    step = graph.made_by[node]
    if is_zero(graph, node):
        return ()
    if step is None or step.opened:
        passed = graph.literals.get(node, ())
        known = all(value is not None and not np.any(value) for value in passed)
        return (graph.fed_by.get(node) or None) if known else None
    if step.direction is Direction.BACKWARD:
        return None
    primitive, operands = step.equation.primitive, step.operands
    if primitive in SAME_VALUE | COLLECTIVE_SUMS:
        return (operands[step.results.index(node)],)
    if primitive in ("add", "add_any"):
        return operands
    if primitive == "select_n":
        return operands[1:]
    if primitive in ("neg", "reduce_sum"):
        return operands[:1]
    if primitive == "div" and _is_weight(graph, operands[1]):
        return operands[:1]
    if primitive == "mul":
        for one, other in (operands, operands[::-1]):
            if _is_weight(graph, other):
                return (one,)
    return None


def _is_weight(graph: Graph, node: int | None) -> bool:
    """Whether it is one number, and no function of a gradient."""
    if node is None:
        return True
    step = graph.made_by[node]
    if step is not None and step.equation.primitive == "broadcast_in_dim":
        return _is_weight(graph, step.operands[0])
    if graph.avals[node].shape != ():
        return False
    makers = (graph.made_by[earlier] for earlier in graph.before(node))
    return not any(m is not None and m.direction is Direction.BACKWARD for m in makers)


def is_zero(graph: Graph, node: int) -> bool:
    """Whether the array is made of a literal zero."""
    step = graph.made_by[node]
    while step is not None and step.equation.primitive in _FILLS:
        operand = step.operands[0]
        if operand is None:
            return not np.any(graph.literal(step, 0))
        node, step = operand, graph.made_by[operand]
    values = graph.literals.get(node, ())
    alone = step is None and values and not graph.fed_by.get(node)
    return bool(alone) and not any(v is None or np.any(v) for v in values)
