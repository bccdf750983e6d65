"""The programs of a gradient check, traced and compiled once for each signature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from typing import Any, NamedTuple

import jax

from jaxdebug.checks.gradient_problem import Problem
from jaxdebug.frameworks.observed import trace_observed
from jaxdebug.gradients.custom_calls import CallSite, call_sites
from jaxdebug.gradients.differences import JITTER
from jaxdebug.gradients.draws import Draws, draws
from jaxdebug.gradients.evidence import (
    Evidence,
    Moves,
    Witnesses,
    gather,
    gather_frozen,
    witnesses,
)
from jaxdebug.gradients.frozen import frozen_function
from jaxdebug.programs._jax import calls
from jaxdebug.programs.graph import Graph, build_graph
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.shadow import widen_on_host

POINTS = (0.0, JITTER)
"""The given point, and one where no kink lies."""


class GradientPlan(NamedTuple):
    """Everything about one signature that is traced and compiled once."""

    problem: Problem
    graph: Graph
    outputs: tuple[Any, ...]
    """Avals of the flat outputs."""
    witnesses: Witnesses
    native: Callable[..., Any]
    wide: Callable[..., Evidence]
    frozen: Callable[..., tuple[Any, Any]]

    @property
    def constants(self) -> list[Any]:
        """Arrays that the traces captured."""
        those = self.witnesses
        return [*those.function.constants, *those.gradient.constants]

    def run(self, leaves: Sequence[Any], seed: int, moves: Moves) -> Evidence:
        """What the witnesses say, on the host."""
        cotangents = self.problem.cotangents(self.outputs, seed)
        native = self.native(leaves, jax.device_put(cotangents))
        gradients = jax.tree.map(
            widen_on_host, jax.device_get(native[len(self.outputs) :])
        )
        arguments = self._arguments(leaves, cotangents, seed)
        with jax.enable_x64(True):
            found = self.wide(*jax.device_put((*arguments, moves, gradients)))
            return jax.device_get(found)

    def hold_still(
        self, leaves: Sequence[Any], seed: int, moves: Moves, evidence: Evidence
    ) -> Evidence:
        """The same evidence, with what stop_gradient hands on held still."""
        cotangents = self.problem.cotangents(self.outputs, seed)
        arguments = self._arguments(leaves, cotangents, seed)
        with jax.enable_x64(True):
            found = self.frozen(*jax.device_put((*arguments, moves)))
            value, moved = jax.device_get(found)
        return evidence._replace(value=value, moved=moved)

    def _arguments(self, leaves: Any, cotangents: Any, seed: int) -> tuple[Any, ...]:
        split = self.problem.split
        moving = [leaves[index] for index in split.moving]
        wide = jax.tree.map(widen_on_host, jax.device_get((leaves, cotangents)))
        return *wide, draws(split.paths, moving, seed)


def make_gradient_plan(
    problem: Problem, leaves: Sequence[Any], expected: Sequence[str], directions: int
) -> GradientPlan:
    """Trace the programs of a check.

    Args:
        problem: the function and its gradient on flat arrays.
        leaves: flat arguments.
        expected: names of rules that are meant to differ from their function.
        directions: along which all leaves move.
    """
    program = trace_observed(problem.function, *leaves).program
    outputs = tuple(program.jaxpr.out_avals)
    cotangents = problem.cotangents(outputs, 0)
    gradient = trace_observed(problem.gradient, *leaves, *cotangents).program
    graph = build_graph(program.jaxpr)
    sites = call_sites(graph, problem.split.moving)
    meant = frozenset(site for site in sites if is_expected(site, expected))
    those = witnesses(program, gradient, problem.split.moving, sites, meant)

    def native(leaves: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        return gradient(*leaves, *cotangents)

    def wide(
        leaves: Any, cotangents: Any, drawn: Draws, moves: Moves, native: Any
    ) -> Evidence:
        return gather(
            those, leaves, cotangents, native, drawn, moves, directions, POINTS
        )

    def frozen(leaves: Any, cotangents: Any, drawn: Draws, moves: Moves) -> Any:
        still = frozen_function(program)
        return gather_frozen(
            those, still, leaves, cotangents, drawn, moves, directions, POINTS
        )

    return GradientPlan(
        problem,
        graph,
        outputs,
        those,
        jax.jit(native),
        jax.jit(wide),
        jax.jit(frozen),
    )


def is_expected(site: CallSite, names: Sequence[str]) -> bool:
    """Whether the name of a call's function is one of those, wildcards allowed."""
    name, _ = calls.custom_rule_name(site.equation.raw)
    return any(fnmatch(name, pattern) for pattern in names)


def value_tolerances(sites: Sequence[CallSite]) -> list[float]:
    """By how much a rule's value may differ: half the digits of its own dtype."""
    found = []
    for site in sites:
        avals = [var.aval for var in site.equation.raw.outvars if is_inexact(var.aval)]
        eps = [float(jax.numpy.finfo(getattr(a, "dtype", None)).eps) for a in avals]
        found.append(2 * max(eps, default=1e-16) ** 0.5)
    return found
