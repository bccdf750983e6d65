"""Which arrays of a program are made of parameters alone, and of which ones.

A cast, a transpose, a slice of a stack or a normalisation of a weight is still
that weight. What depends on data besides is not, and a sum over a weight, as in a
penalty, is a number and no weight.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from jaxdebug.programs.graph import Graph, Step, reached
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.primitives import CONTRACTIONS

LAYOUT = frozenset(
    {
        "convert_element_type",
        "copy",
        "expand_dims",
        "optimization_barrier",
        "reduce_precision",
        "reshape",
        "squeeze",
        "transpose",
    }
)
"""Primitives that hand on what they read, element for element."""


class Flow(NamedTuple):
    """What arrays are made of."""

    made_of: dict[int, frozenset[int]]
    """For each node made of parameters alone: the inputs it is made of."""
    data: frozenset[int]
    """Nodes that depend on an input that is no parameter."""


NO_GRADIENTS: Mapping[int, int] = MappingProxyType({})


def parameter_flow(
    graph: Graph,
    parameters: Iterable[int],
    gradients: Mapping[int, int] = NO_GRADIENTS,
    renewed: Mapping[int, int] = NO_GRADIENTS,
) -> Flow:
    """Follow parameters and data through a program.

    Args:
        graph: the flow of the program.
        parameters: indices of the inputs that are parameters.
        gradients: node of the gradient of each one whose gradient the program makes.
        renewed: nodes of new values, each with the parameter that it is still.
    """
    known = {graph.inputs[index]: index for index in parameters}
    known |= {n: index for n, index in renewed.items() if graph.inputs[index] in known}
    graph = _without_updates(graph, gradients)
    given = [node for node in graph.inputs if node not in known]
    if not given:
        # All the data the program has was captured when it was traced.
        given = _captured(graph)
    data = _closure(graph, given, known)
    made_of = _made_of(graph, known, data)
    states = _first_states(graph, made_of, data)
    if states:
        data = _closure(graph, [*given, *states], known)
        made_of = _made_of(graph, known, data)
    return Flow(made_of, data)


def _without_updates(graph: Graph, gradients: Mapping[int, int]) -> Graph:
    """The graph without what comes back to a parameter that a loop of steps carries.

    Its new value is that parameter still, and no data, although it depends on them.
    """
    cut = set[tuple[int, int]]()
    for index, gradient in gradients.items():
        updated = _closure(graph, [gradient])
        queue = [graph.inputs[index]]
        for node in queue:
            for later in graph.feeds.get(node, ()):
                if later not in graph.entered or later in queue:
                    continue
                loop, _ = graph.entered[later]
                back = [n for n in graph.fed_by[later] if n != node]
                if not back or (not loop.differentiated and updated.issuperset(back)):
                    queue.append(later)
                    cut.update((source, later) for source in back)
    if not cut:
        return graph
    feeds = defaultdict[int, list[int]](list)
    for source, targets in graph.feeds.items():
        feeds[source] = [n for n in targets if (source, n) not in cut]
    return replace(graph, feeds=feeds)


def _first_states(
    graph: Graph, made_of: dict[int, frozenset[int]], data: frozenset[int]
) -> list[int]:
    """Constants that are multiplied by a weight, as the zeros an RNN starts from."""
    found = []
    for step in graph.steps:
        nodes = [node for node in step.operands if node is not None]
        constant = [n for n in nodes if n not in data and n not in made_of]
        if step.equation.primitive in CONTRACTIONS and len(constant) == 1:
            found += constant
    return found


def source(graph: Graph, node: int) -> int:
    """The node that this one is a plain passing on of, as far back as is certain."""
    seen = {node}
    while True:
        step = graph.made_by[node]
        before = graph.fed_by.get(node, ())
        if (step is not None and not step.opened) or len(before) != 1:
            return node
        node = before[0]
        if node in seen:
            return node
        seen.add(node)


def maker(graph: Graph, node: int) -> Step | None:
    """The equation that made a node, through the bodies it was passed out of."""
    step = graph.made_by[source(graph, node)]
    return None if step is None or step.opened else step


def _captured(graph: Graph) -> list[int]:
    """Arrays that no equation makes and that nothing hands in."""
    inputs = set(graph.inputs)
    return [
        node
        for node, step in enumerate(graph.made_by)
        if step is None
        and node not in inputs
        and node not in graph.entered
        and getattr(graph.avals[node], "shape", ()) != ()
    ]


def _onward(graph: Graph, node: int) -> list[int]:
    nodes = list(graph.feeds.get(node, ()))
    for step in graph.readers.get(node, ()):
        if not step.opened:
            nodes += step.results
    return nodes


def _closure(
    graph: Graph, start: Iterable[int], without: Container[int] = ()
) -> frozenset[int]:
    def onward(node: int) -> list[int]:
        return [later for later in _onward(graph, node) if later not in without]

    return frozenset(reached(start, onward))


def _made_of(
    graph: Graph, parameters: Mapping[int, int], data: frozenset[int]
) -> dict[int, frozenset[int]]:
    made = {node: frozenset({index}) for node, index in parameters.items()}
    queue = list(made)
    while queue:
        node = queue.pop()
        reached = list(graph.feeds.get(node, ()))
        for step in graph.readers.get(node, ()):
            if not step.opened and not step.equation.primitive.startswith("reduce_"):
                reached += step.results
        for later in reached:
            if later in data or not is_inexact(graph.avals[later]):
                continue
            merged = made.get(later, frozenset()) | made[node]
            if merged != made.get(later):
                made[later] = merged
                queue.append(later)
    return made
