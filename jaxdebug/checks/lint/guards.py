"""Where a where keeps what an operation makes at its edge from going on."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import NamedTuple

from jaxdebug.checks.lint.edges import Edge
from jaxdebug.checks.lint.linted import Linted
from jaxdebug.programs.graph import Graph, Step, reached
from jaxdebug.programs.ranges.choices import COMPARISONS, KEEPING_ZERO, Limits
from jaxdebug.programs.ranges.identity import alike, before_by, literal_of, maker
from jaxdebug.programs.ranges.range import Range

FARTHEST = 200
"""Nodes behind an operation among which its guard is looked for."""

_LOGIC = frozenset(
    {"and", "or", "not", "xor", "reduce_or", "reduce_and", "broadcast_in_dim"}
    | {"convert_element_type", "reshape", "squeeze", "is_finite", *COMPARISONS}
)


class Guards(NamedTuple):
    """The wheres behind an operation."""

    guarding: tuple[Step, ...]
    """Those that take another branch at the edge."""
    every: bool
    """Whether nothing passes by them."""


def guards_of(linted: Linted, step: Step, edge: Edge, differentiated: bool) -> Guards:
    """The wheres that an operation's result comes to, and that ask for its operand.

    A maximum or minimum with a number stops an infinity too, but not its derivative.
    """
    graph = linted.graph
    operand = step.operands[edge.operand]
    if operand is None:
        return Guards((), False)
    family = _family(graph, operand, step)
    guarding: list[Step] = []
    outputs = {node for node in graph.outputs if node is not None}
    queue, seen, passes = list(step.results), set(step.results), False
    stopped = False
    while queue and len(seen) < FARTHEST:
        node = queue.pop()
        passes = passes or node in outputs
        onward = list(graph.feeds.get(node, ()))
        for reader in graph.readers.get(node, ()):
            if reader.opened:
                continue
            if _is_where(reader) and _asks(graph, reader, node, family):
                guarding.append(reader)
            elif not differentiated and _stops(graph, reader, step):
                stopped = True
            else:
                onward += reader.results
        fresh = [n for n in dict.fromkeys(onward) if n not in seen]
        fresh = [n for n in fresh if n in linted.needed]
        seen.update(fresh)
        queue += fresh
    every = bool(guarding or stopped) and not passes and not queue
    return Guards(tuple(guarding), every)


def _is_where(step: Step) -> bool:
    return step.equation.primitive == "select_n" and len(step.operands) == 3


def _stops(graph: Graph, reader: Step, step: Step) -> bool:
    """Whether an equation takes a number in the place of an infinity."""
    falls = step.equation.primitive in ("log", "log1p")
    if reader.equation.primitive != ("max" if falls else "min"):
        return False
    return any(
        limit is not None and abs(limit) < inf
        for limit in (literal_of(graph, reader, 0), literal_of(graph, reader, 1))
    )


def _family(graph: Graph, operand: int, step: Step) -> set[int]:
    """Arrays that are at their edge where the operand is."""
    near = {alike(graph, node) for node in before_by(graph, operand, KEEPING_ZERO)}

    def later(node: int) -> list[int]:
        onward = list(graph.feeds.get(node, ()))
        for reader in graph.readers.get(node, ()):
            if reader.equation.primitive in KEEPING_ZERO:
                onward += reader.results
        return onward

    for count, node in enumerate(reached([operand, *step.results], later)):
        near.add(alike(graph, node))
        if count > FARTHEST:
            break
    return near


def _asks(graph: Graph, where: Step, node: int, family: set[int]) -> bool:
    """Whether a where decides by one of some arrays."""
    predicate = where.operands[0]
    if predicate is None or node not in where.operands[1:]:
        return False
    return any(alike(graph, read) in family for read in _reads(graph, predicate))


def _reads(graph: Graph, predicate: int) -> Iterator[int]:
    """Arrays that a predicate compares."""
    queue, seen = [predicate], {predicate}
    while queue:
        node = queue.pop()
        made = maker(graph, node)
        if made is None or made.opened or made.equation.primitive not in _LOGIC:
            yield node
            continue
        fresh = [n for n in made.operands if n is not None and n not in seen]
        seen.update(fresh)
        queue += fresh


def is_trap(linted: Linted, step: Step, edge: Edge, where: Step) -> bool:
    """Whether a where leaves out just the edge of an operation in front of it.

    The value is then left out and the derivative is not: it is multiplied by zero,
    and zero times infinity is NaN.
    """
    graph, limits = linted.graph, Limits(linted.graph)
    operand = step.operands[edge.operand]
    predicate = where.operands[0]
    if operand is None or predicate is None:
        return False
    holds = _side(graph, step, where)
    if holds is None:
        return False
    same_edge = [*before_by(graph, operand, KEEPING_ZERO), *step.results]
    for node in same_edge:
        before = linted.ranges[node]
        after = limits.on(predicate, holds, before, node)
        if _leaves_out(edge, before, after):
            return True
    return False


def _leaves_out(edge: Edge, before: Range, after: Range) -> bool:
    if any(before.has(point) and not after.has(point) for point in edge.points):
        return True
    lowest = min(edge.points)
    return edge.below and before.low < lowest <= after.low


def _side(graph: Graph, step: Step, where: Step) -> bool | None:
    """The case of a where that an operation's result leads to."""
    for index in (1, 2):
        node = where.operands[index]
        if node is not None and not set(step.results).isdisjoint(graph.before(node)):
            return index == 2
    return None
