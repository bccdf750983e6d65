"""The programs of a gradient check, traced and compiled once for each signature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from fnmatch import fnmatch
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdebug.checks.gradient_problem import Problem
from jaxdebug.checks.gradient_second import second_problem
from jaxdebug.frameworks.observed import trace_observed
from jaxdebug.gradients.custom_calls import CallSite, call_sites
from jaxdebug.gradients.determinism import spread
from jaxdebug.gradients.draws import Draws, draws
from jaxdebug.gradients.evidence import (
    Evidence,
    Witnesses,
    evaluate,
    gather,
    witnesses,
)
from jaxdebug.gradients.frozen import frozen_function
from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.gradients.moves import GIVEN, NEAR, Moves, Rungs, in_ladders, moves_of
from jaxdebug.programs._jax import calls
from jaxdebug.programs.cuts import stands_in
from jaxdebug.programs.graph import Graph, build_graph
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.program import Program, trace
from jaxdebug.programs.shadow import widen_on_host

CHUNK = 32
"""Evaluations in one call: the program is compiled for that many."""


class GradientPlan(NamedTuple):
    """Everything about one signature that is traced and compiled once."""

    problem: Problem
    graph: Graph
    outputs: tuple[Any, ...]
    """Avals of the flat outputs."""
    witnesses: Witnesses
    native: Callable[..., Any]
    wide: Callable[..., Evidence]
    moved: Callable[..., Any]
    frozen: Callable[..., Any]
    second: GradientPlan | None = None
    """Of the second derivatives, if they were asked for and JAX has them."""
    skipped: tuple[LeafCheck, ...] = ()
    """Leaves that JAX cannot differentiate by."""

    @property
    def constants(self) -> list[Any]:
        """Arrays that the traces captured."""
        those = self.witnesses
        return [*those.function.constants, *those.gradient.constants]

    def at(self, leaves: Sequence[Any], seed: int) -> Asked:
        """Ask the witnesses about one set of arguments."""
        split = self.problem.split
        cotangents = self.problem.cotangents(self.outputs, seed)
        runs = [self.native(leaves, jax.device_put(cotangents)) for _ in range(2)]
        spreads = jax.device_get(jax.jit(spread)(*runs))
        native = runs[0][len(self.outputs) :]
        drawn = draws(split.paths, [leaves[index] for index in split.moving], seed)
        wide = jax.device_get((leaves, cotangents, native))
        with jax.enable_x64(True):
            *given, native = jax.device_put(jax.tree.map(widen_on_host, wide))
            given = (*given, jax.device_put(drawn))
            evidence = jax.device_get(self.wide(*given, native))
            return Asked(self, given, evidence, tuple(map(float, spreads)))


class Asked(NamedTuple):
    """A plan at one set of arguments, and what its witnesses say."""

    plan: GradientPlan
    given: tuple[Any, ...]
    evidence: Evidence
    spread: tuple[float, ...] = ()
    """Of two runs in the working precision: outputs, then the gradient."""

    def evaluate(
        self, ladders: Sequence[Rungs], *, frozen: bool = False
    ) -> list[tuple[float, np.ndarray]]:
        """Values of the function on ladders: at each point, forward and backward.

        Args:
            ladders: where.
            frozen: hold still what stop_gradient hands on.
        """
        function = self.plan.frozen if frozen else self.plan.moved
        moves = moves_of(ladders)
        count = len(moves.amount)
        values = []
        with jax.enable_x64(True):
            sizes = jax.device_put(self.evidence.scales)
            for start in range(0, count, CHUNK):
                rows = np.arange(start, start + CHUNK) % count
                part = Moves(*(column[rows] for column in moves))
                values.append(function(*self.given, sizes, jax.device_put(part)))
            flat = np.concatenate(jax.device_get(values))[:count]
        return in_ladders(flat, ladders)


def make_gradient_plan(
    problem: Problem,
    leaves: Sequence[Any],
    expected: Sequence[str],
    directions: int,
    order: int = 1,
    bare: Program | None = None,
) -> GradientPlan:
    """Trace the programs of a check.

    Args:
        problem: the function and its gradient on flat arrays.
        leaves: flat arguments.
        expected: names of rules that are meant to differ from their function.
        directions: along which all leaves move.
        order: 2 for second derivatives too.
        bare: the function without custom rules, if it is no part of the function's
            own program.
    """
    program = trace_observed(problem.function, *leaves).program
    outputs = tuple(program.jaxpr.out_avals)
    cotangents = problem.cotangents(outputs, 0)
    gradient = trace_observed(problem.gradient, *leaves, *cotangents).program
    graph = build_graph(program.jaxpr)
    sites = call_sites(graph, problem.split.moving)
    meant = frozenset(site for site in sites if is_expected(site, expected))
    with own_settings():
        moving = problem.split.moving
        those = witnesses(program, gradient, moving, sites, meant, order, bare)
    second = None
    if order == 2 and not those.refused:
        kept = {s.address for s in sites if s in meant or s.body != "reverse"}
        again, stripped = second_problem(problem, program, gradient, kept)
        without = trace(stripped, *leaves)
        second = make_gradient_plan(again, leaves, expected, directions, bare=without)

    def native(leaves: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        return gradient(*leaves, *cotangents)

    def wide(leaves: Any, cotangents: Any, drawn: Draws, native: Any) -> Evidence:
        points = (GIVEN, NEAR)
        with own_settings():
            return gather(those, leaves, cotangents, native, drawn, directions, points)

    def plain(_: Sequence[Any], leaves: Sequence[Any]) -> list[Any]:
        return those.function.apply(leaves)

    def moved(leaves: Any, cotangents: Any, drawn: Draws, sizes: Any, to: Moves) -> Any:
        with own_settings():
            return evaluate(
                those, plain, leaves, cotangents, drawn, sizes, to, directions
            )

    def frozen(
        leaves: Any, cotangents: Any, drawn: Draws, sizes: Any, to: Moves
    ) -> Any:
        still = frozen_function(program)
        with own_settings():
            return evaluate(
                those, still, leaves, cotangents, drawn, sizes, to, directions
            )

    return GradientPlan(
        problem,
        graph,
        outputs,
        those,
        jax.jit(native),
        jax.jit(wide),
        jax.jit(moved),
        jax.jit(frozen),
        second,
    )


def own_settings() -> AbstractContextManager[Any]:
    """JAX's defaults for what is ours; the user's function was traced with theirs."""
    stack = ExitStack()
    stack.enter_context(jax.numpy_dtype_promotion("standard"))
    stack.enter_context(jax.numpy_rank_promotion("allow"))
    return stack


def is_expected(site: CallSite, names: Sequence[str]) -> bool:
    """Whether a call's function, or one it stands in, has one of those names."""
    name, _ = calls.custom_rule_name(site.equation.raw)
    named = any(fnmatch(name, pattern) for pattern in names)
    return named or stands_in(site.equation, names)


def value_tolerances(sites: Sequence[CallSite]) -> list[float]:
    """By how much a rule's value may differ: half the digits of its own dtype."""
    found = []
    for site in sites:
        avals = [var.aval for var in site.equation.raw.outvars if is_inexact(var.aval)]
        eps = [float(jax.numpy.finfo(getattr(a, "dtype", None)).eps) for a in avals]
        found.append(2 * max(eps, default=1e-16) ** 0.5)
    return found
