"""State whose next value a step computes, and hands to nobody.

Two forms are certain. An average `d * old + (1 - d) * new` that nothing reads, as of
batch statistics or of parameters. A counter that does not come out: one that saturates,
as Optax counts steps, or one whose successor nothing reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxdebug.programs.graph import Graph, Step, reached
from jaxdebug.programs.parameters.flow import LAYOUT, source
from jaxdebug.programs.parameters.updates import SAME_VALUE
from jaxdebug.programs.places import is_inexact

AVERAGE, COUNTER = "average", "counter"

_NEAR = 1e-5
"""How far the two shares of an average may be from adding up to 1."""


class Dropped(NamedTuple):
    """A leaf of a state, and the next value that is made of it."""

    input: int
    form: str
    """`AVERAGE` or `COUNTER`."""
    step: Step
    """Makes the next value."""


def dropped_state(graph: Graph) -> list[Dropped]:
    """Leaves whose next value goes nowhere; each once.

    Args:
        graph: the flow of the program.
    """
    live = _live(graph)
    handed_on = {source(graph, node) for node in graph.outputs if node is not None}
    found = []
    for index, node in enumerate(graph.inputs):
        aval = graph.avals[node]
        if is_inexact(aval):
            steps = (s for s in _averages(graph, node) if not live & {*s.results})
            form = AVERAGE
        elif _is_number(aval):
            steps = _uncounted(graph, node, live, handed_on)
            form = COUNTER
        else:
            continue
        step = next(iter(steps), None)
        if step is not None:
            found.append(Dropped(index, form, step))
    return found


def _is_number(aval: Any) -> bool:
    dtype = getattr(aval, "dtype", None)
    return dtype is not None and aval.shape == () and jnp.issubdtype(dtype, jnp.integer)


def _live(graph: Graph) -> set[int]:
    """Nodes that a result, the host or another device may depend on."""
    ends = [node for node in graph.outputs if node is not None]
    for step in graph.steps:
        if not step.results:  # it is run for what it does
            ends += [node for node in step.operands if node is not None]

    def before(node: int) -> list[int]:
        step = graph.made_by[node]
        nodes = list(graph.fed_by.get(node, ()))
        if step is not None:
            # Of what is opened too: a predicate is read by no equation inside.
            nodes += [n for n in step.operands if n is not None]
        return nodes

    return set(reached(ends, before))


def _alike(graph: Graph, node: int) -> Iterator[int]:
    """The node and every node that has its elements, in any shape, or may have them."""

    def onward(current: int) -> list[int]:
        nodes = list(graph.feeds.get(current, ()))
        for step in graph.readers.get(current, ()):
            primitive = step.equation.primitive
            chosen = primitive == "select_n" and current in step.operands[1:]
            if chosen or primitive in LAYOUT | SAME_VALUE:
                nodes += step.results
        return nodes

    return reached([node], onward)


def _readers(graph: Graph, node: int, primitive: str) -> Iterator[tuple[Step, int]]:
    """Equations that read these elements, and as which operand."""
    for one in _alike(graph, node):
        for step in graph.readers.get(one, ()):
            if step.equation.primitive == primitive:
                yield step, step.operands.index(one)


def _averages(graph: Graph, node: int) -> Iterator[Step]:
    """Equations that make an average of an array and of another one."""
    for scaled, place in _readers(graph, node, "mul"):
        kept = _number(graph, scaled, 1 - place)
        if kept is None or not 0.5 <= kept < 1:  # else it is the new value
            continue
        for added, at in _readers(graph, scaled.results[0], "add"):
            other = added.operands[1 - at]
            if other is not None and _has_factor(graph, other, 1 - kept):
                yield added
    # old + (1 - d) * (new - old)
    for apart, _ in _readers(graph, node, "sub"):
        for scaled, place in _readers(graph, apart.results[0], "mul"):
            share = _number(graph, scaled, 1 - place)
            if share is None or not 0 < abs(share) <= 0.5:
                continue
            for primitive in ("add", "sub"):
                for added, at in _readers(graph, scaled.results[0], primitive):
                    other = added.operands[1 - at]
                    if other is not None and source(graph, other) == node:
                        yield added


def _has_factor(graph: Graph, node: int, factor: float) -> bool:
    step = graph.made_by[source(graph, node)]
    while step is not None and step.equation.primitive in LAYOUT | SAME_VALUE:
        before = step.operands[0]
        step = None if before is None else graph.made_by[source(graph, before)]
    if step is None or step.equation.primitive != "mul":
        return False
    factors = (_number(graph, step, place) for place in (0, 1))
    return any(f is not None and abs(f - factor) < _NEAR for f in factors)


def _number(graph: Graph, step: Step, place: int) -> float | None:
    """An operand that is a number in the program."""
    if step.operands[place] is not None:
        return None
    value: Any = graph.literal(step, place)
    if value is None or np.ndim(value) or not np.isrealobj(value):
        return None
    return float(value)


def _uncounted(
    graph: Graph, node: int, live: set[int], handed_on: set[int]
) -> Iterator[Step]:
    """Equations that add one to a counter which does not come out."""
    steps = [
        step
        for step, place in _readers(graph, node, "add")
        if _number(graph, step, 1 - place) == 1
    ]
    if any(_comes_out(graph, step.results[0]) for step in steps):
        return
    for step in steps:
        unread = node in handed_on and not live & {*step.results}
        if unread or _saturates(graph, node):
            yield step


def _comes_out(graph: Graph, node: int) -> bool:
    """Whether an integer among the results depends on a node."""
    outputs = [n for n in graph.outputs if n is not None]
    ends = {n for n in outputs if not is_inexact(graph.avals[n])}

    def onward(current: int) -> list[int]:
        nodes = list(graph.feeds.get(current, ()))
        for step in graph.readers.get(current, ()):
            nodes += () if step.opened else step.results
        return nodes

    return any(later in ends for later in reached([node], onward))


def _saturates(graph: Graph, node: int) -> bool:
    """Whether it is compared with the largest number that it can be."""
    largest = jnp.iinfo(graph.avals[node].dtype).max
    return any(
        _number(graph, step, 1 - place) == largest
        for step, place in _readers(graph, node, "lt")
    )
