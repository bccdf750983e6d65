"""Which call of a layer a cotangent is of, where a program calls it several times.

A backward pass meets the calls in the opposite order; a program of several losses
has several backward passes. A function jitted once is one equation forward and one
backward for each of its calls: the backward one was traced from the same lines and
reads what its own forward one made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jaxdebug.programs.equation import Address
from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.parameters.backward_flow import is_backward
from jaxdebug.programs.parameters.derivatives import transposes
from jaxdebug.programs.severed import is_constant


def calls_of_cotangents(
    graph: Graph, outputs: Sequence[Step], cotangents: Sequence[Step]
) -> list[int] | None:
    """For each cotangent, the index of the output that it is of; None if not certain.

    Args:
        graph: the flow of the program.
        outputs: where the layer's output stands, once for each call, in the order of
            the program. Some may have no cotangent.
        cotangents: where its cotangents stand, in the order of the program.
    """
    possible = _possible_calls(graph, outputs, cotangents)
    certain = [next(iter(calls)) for calls in possible if len(calls) == 1]
    if len(certain) == len(set(certain)) == len(cotangents):
        return certain
    ordered = in_opposite_order(
        [step.address for step in outputs], [step.address for step in cotangents]
    )
    if ordered is None:
        return None
    agree = all(call in calls for call, calls in zip(ordered, possible, strict=True))
    return ordered if agree else None


def in_opposite_order(
    outputs: Sequence[Address], cotangents: Sequence[Address]
) -> list[int] | None:
    """For each cotangent, the index of its output, by their order alone.

    None where a backward pass has not as many cotangents as the forward part
    between it and the one before has outputs.
    """
    events = sorted(
        [(address, index, -1) for index, address in enumerate(outputs)]
        + [(address, -1, index) for index, address in enumerate(cotangents)]
    )
    found: dict[int, int] = {}
    waiting: list[int] = []
    in_backward = False
    for _, output, cotangent in events:
        if cotangent < 0:
            if in_backward and waiting:
                return None
            waiting.append(output)
        elif waiting:
            found[cotangent] = waiting.pop()
        else:
            return None
        in_backward = cotangent >= 0
    return None if waiting else [found[index] for index in range(len(cotangents))]


def _possible_calls(
    graph: Graph, outputs: Sequence[Step], cotangents: Sequence[Step]
) -> list[set[int]]:
    """For each cotangent, the calls from where it was traced, whose values it reads.

    Every call, where that says nothing; none, where it is contradictory.
    """
    every = set(range(len(outputs)))
    addresses = [step.address for step in (*outputs, *cotangents)]
    owned: dict[int, set[int]] = {}
    for index, output in enumerate(outputs):
        call = _own_call(graph, output, addresses)
        for node in (*call.operands, *call.results) if call else ():
            for first in _firsts(graph, node):
                owned.setdefault(first, set()).add(index)
    found = []
    for cotangent in cotangents:
        alike = {i for i, output in enumerate(outputs) if transposes(cotangent, output)}
        possible = alike or set(every)
        call = _own_call(graph, cotangent, addresses)
        # Not all that it reads was saved for it: a cotangent is among it.
        if call is not None and any(_may_enter(graph, n) for n in call.operands):
            for node in call.operands:
                if node is None or is_backward(graph, node):
                    continue
                owners = (owned.get(n, set()) for n in _firsts(graph, node))
                possible &= set().union(*owners) or every
        found.append(possible)
    return found


def _own_call(graph: Graph, step: Step, others: Sequence[Address]) -> Step | None:
    """The outermost equation around a step that is around none of the others."""
    for end in range(1, len(step.address) - 1, 2):
        around = step.address[:end]
        if sum(other[:end] == around for other in others) == 1:
            return graph.step_at(around)
    return None


def _firsts(graph: Graph, node: int | None) -> Iterator[int]:
    """Where a value first stands, before it is passed into bodies and out of them."""
    if node is not None:
        yield from (n for n in graph.origins(node) if not graph.fed_by.get(n))


def _may_enter(graph: Graph, node: int | None) -> bool:
    """Whether an operand may be a cotangent: those that a loss begins with too."""
    return node is None or is_backward(graph, node) or is_constant(graph, node)
