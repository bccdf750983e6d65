"""Arrays that a program computes twice: `where(x @ w > 0, log(x @ w), 0)`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import replace

import numpy as np

from jaxdebug.programs._jax import operations
from jaxdebug.programs.graph import Graph, Step


def with_twins(graph: Graph) -> Graph:
    """The graph in which what is computed again is the first array, passed on.

    Two equations give the same if they are of one primitive, with equal parameters and
    operands. The steps stay; only who made their results is another.
    """
    first: dict[Hashable, tuple[int, ...]] = {}
    known: dict[int, int] = {}
    for step in graph.steps:
        if step.opened or not step.results:
            continue
        key = _key(graph, step, known)
        if key is None:
            continue
        earlier = first.setdefault(key, step.results)
        if earlier is not step.results:
            known.update(zip(step.results, earlier, strict=True))
    if not known:
        return graph
    feeds = defaultdict(list, {node: [*to] for node, to in graph.feeds.items()})
    for later, earlier_node in known.items():
        feeds[earlier_node].append(later)
    made_by = [None if n in known else step for n, step in enumerate(graph.made_by)]
    return replace(graph, feeds=feeds, made_by=made_by)


def _key(graph: Graph, step: Step, known: dict[int, int]) -> Hashable:
    """What an equation is the same by; None if nothing is."""
    operation = operations.key_of(step.equation.raw)
    if operation is None:
        return None
    operands: list[Hashable] = []
    for index, node in enumerate(step.operands):
        if node is not None:
            operands.append(_first(graph, node, known))
            continue
        value = graph.literal(step, index)
        if value is None or np.size(value) != 1:
            return None
        operands.append((str(np.asarray(value).dtype), repr(value)))
    kinds = tuple(str(graph.avals[node]) for node in step.results)
    return operation, tuple(operands), kinds


def _first(graph: Graph, node: int, known: dict[int, int]) -> int:
    """The first array that has the elements of a node, and the same derivative."""
    while True:
        sources = graph.fed_by.get(node, ())
        if node in known:
            node = known[node]
        elif len(sources) == 1 and not graph.literals.get(node):
            (node,) = sources
        else:
            return node
