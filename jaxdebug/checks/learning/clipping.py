"""Whether the optimiser clips the gradient, or only what it has made of it."""

from __future__ import annotations

from typing import Any

import jax
from jax.tree_util import keystr

from jaxdebug.checks.outcome import Outcome, judged
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.programs.graph import Graph, build_graph
from jaxdebug.programs.primitives import RESHAPING, UNCHANGED
from jaxdebug.programs.program import trace
from jaxdebug.programs.ranges.identity import same

NAME = "clipping"

COMPARISONS = frozenset({"lt", "le", "gt", "ge"})

ACCUMULATED = "acc_grads"
"""What `optax.MultiSteps` calls the gradients that it adds up: they are no moments."""


def clipping(subject: Subject) -> Outcome:
    """Look in the optimiser's program for norms that are compared with a bound.

    Args:
        subject: with `optimizer`.
    """
    pure = subject.pure
    begun = subject.begin()
    params = pure.split.rebuild(begun.arrays, pure.trained(begun.arrays))
    program = trace(subject.optimizer.update, params, begun.optimizer, params)
    graph = build_graph(program.jaxpr)
    count = len(jax.tree.leaves(params))
    gradients = {*graph.inputs[:count]}
    shapes = {graph.avals[node].shape for node in gradients}
    kept = zip(_paths(begun.optimizer), graph.inputs[count:-count], strict=True)
    moments = {
        node
        for path, node in kept
        if graph.avals[node].shape in shapes
        and graph.avals[node].dtype.kind == "f"
        and ACCUMULATED not in path
    }
    early = late = 0
    for norm in _bounded_norms(graph):
        made_of = {*graph.before(norm)}
        if len(made_of & gradients) < min(count, 2):
            continue
        late += bool(made_of & moments)
        early += not made_of & moments
    said = f"{early} norms of gradients are clipped, {late} of updates made of moments"
    numbers = {"gradients": early, "updates": late}
    findings = []
    if late and not early:
        message = "the norm that is compared with a bound is made of the moments"
        findings.append(found("clipped-update", "optimizer", message))
    return judged(NAME, said, findings, numbers)


def _paths(state: Any) -> list[tuple[str, ...]]:
    """The names on the way to each array of a state."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return [tuple(keystr((key,), simple=True) for key in path) for path, _ in leaves]


def _bounded_norms(graph: Graph) -> list[int]:
    """Square roots that are compared with a number."""
    found = []
    for step in graph.steps:
        if step.equation.primitive not in COMPARISONS:
            continue
        numbers = [node for node in step.operands if node is not None]
        if len(numbers) == 1 and not graph.avals[numbers[0]].shape:
            root = _root(graph, numbers[0])
            if root is not None:
                found.append(root)
    return found


def _root(graph: Graph, node: int) -> int | None:
    """The square root that a scalar is, if it is one."""
    while True:
        node = same(graph, node)
        step = graph.made_by[node]
        if step is None:
            return None
        name = step.equation.primitive
        if name == "sqrt":
            return node
        if name not in RESHAPING | UNCHANGED or step.operands[0] is None:
            return None
        node = step.operands[0]
