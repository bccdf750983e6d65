"""Leaves that JAX cannot differentiate by: named, while the others are checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from jaxdebug.checks.gradients.plan import GradientPlan
from jaxdebug.checks.gradients.problem import Problem
from jaxdebug.checks.gradients.report import GradientReport
from jaxdebug.frameworks.observed import trace_observed
from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.programs.cuts import undifferentiable
from jaxdebug.programs.graph import build_graph
from jaxdebug.reports import Verdict


def plan_with_skipped(
    make: Callable[[frozenset[int]], Problem],
    plan: Callable[[Problem], GradientPlan],
    leaves: Sequence[Any],
) -> GradientPlan:
    """A plan of all leaves, or of those that JAX can differentiate by.

    Args:
        make: the problem without some flat arguments.
        plan: of a problem; raises what JAX raises.
        leaves: flat arguments.

    Raises:
        NotImplementedError: as JAX does, if no leaf is left, or no equation explains
            it.
        ValueError: likewise.
    """
    problem = make(frozenset())
    try:
        return plan(problem)
    except (NotImplementedError, ValueError):
        program = trace_observed(problem.function, *leaves).program
        graph = build_graph(program.jaxpr)
        found = {
            index: equation
            for index in problem.split.moving
            if (equation := undifferentiable(graph, graph.inputs[index])) is not None
        }
        if not found or len(found) == len(problem.split.moving):
            raise
    names = dict(zip(problem.split.moving, problem.split.names, strict=True))
    skipped = []
    for index, equation in found.items():
        aval = graph.avals[graph.inputs[index]]
        at = f"{equation.primitive} at {equation.line}"
        skipped.append(_unchecked(names[index], aval, at))
    return plan(make(frozenset(found)))._replace(skipped=tuple(skipped))


def _unchecked(path: str, aval: Any, cut: str) -> LeafCheck:
    return LeafCheck(
        path,
        tuple(aval.shape),
        str(aval.dtype),
        Verdict.INCONCLUSIVE,
        "not-implemented",
        "values",
        *(0.0, (), 0.0, 0.0, 0.0, 0.0, float("inf"), 0.0, 0.0),
        cuts=(cut,),
    )


def with_skipped(
    report: GradientReport, skipped: tuple[LeafCheck, ...]
) -> GradientReport:
    """The report with the leaves that were left out, inconclusive because of them."""
    if not skipped:
        return report
    undecided = report.verdict is Verdict.PASS
    named = [f"{leaf.path}: no derivative of {leaf.cuts[0]}" for leaf in skipped]
    return replace(
        report,
        verdict=Verdict.INCONCLUSIVE if undecided else report.verdict,
        leaves=(*report.leaves, *skipped),
        unchecked=(*report.unchecked, *named),
    )
