"""The programs of a gradient check, traced and compiled once for each signature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, NamedTuple

import jax

from jaxdebug.checks.gradients.asked import Asked
from jaxdebug.checks.gradients.expected import is_anywhere, is_expected
from jaxdebug.checks.gradients.problem import Problem
from jaxdebug.checks.gradients.programs import (
    Given,
    Programs,
    has_float64,
    in_float64,
    make_programs,
)
from jaxdebug.checks.gradients.second import second_problem
from jaxdebug.frameworks.observed import Observed, trace_observed
from jaxdebug.gradients.custom_calls import call_sites
from jaxdebug.gradients.determinism import spread
from jaxdebug.gradients.draws import Draws, draws, scales
from jaxdebug.gradients.evaluation import Values, evaluate
from jaxdebug.gradients.evidence import Evidence, at_points, gather
from jaxdebug.gradients.frozen import frozen_function
from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.gradients.moves import BOTH
from jaxdebug.gradients.witnesses import TRANSPOSED, Witnesses, witnesses
from jaxdebug.programs._jax import calls
from jaxdebug.programs._jax.memory import ran_out
from jaxdebug.programs.callbacks import calls_host, with_wide_callbacks
from jaxdebug.programs.equation import Address
from jaxdebug.programs.graph import Graph, build_graph
from jaxdebug.programs.pair import relative_gap, with_native_decisions
from jaxdebug.programs.program import trace
from jaxdebug.programs.shadow import widen_on_host


class Way(NamedTuple):
    """The equations that a leaf reaches."""

    addresses: frozenset[Address]
    primitives: frozenset[str]


class GradientPlan(NamedTuple):
    """Everything about one signature that is traced and compiled once."""

    problem: Problem
    graph: Graph
    outputs: tuple[Any, ...]
    """Avals of the flat outputs."""
    gradient: Observed
    """Of all flat arguments and cotangents: outputs, then the gradient."""
    ways: tuple[Way, ...]
    """Of each leaf."""
    witnesses: Witnesses
    programs: Programs
    rounding: Callable[..., Any]
    second: GradientPlan | None = None
    """Of the second derivatives, if they were asked for and JAX has them."""
    lacking: str = ""
    """Why JAX has none."""
    unmatched: tuple[str, ...] = ()
    """Names that were expected and are not those of anything."""
    skipped: tuple[LeafCheck, ...] = ()
    """Leaves that JAX cannot differentiate by."""

    @property
    def constants(self) -> list[Any]:
        """Arrays that the traces captured."""
        those = self.witnesses
        return [*those.function.constants, *those.gradient.constants]

    def at(
        self, leaves: Sequence[Any], seed: int, points: Sequence[float] = BOTH
    ) -> Asked:
        """Ask the witnesses about JAX's gradient at one set of arguments.

        Args:
            leaves: flat arguments.
            seed: of cotangents, directions and the displacement.
            points: to ask at first; the gradient runs once for each.
        """
        cotangents = jax.device_put(self.problem.cotangents(self.outputs, seed))
        run = self.programs.native
        runs = [run(leaves, cotangents) for _ in points]
        asked = self.ask(leaves, runs[0][len(self.outputs) :], seed, points)
        if len(runs) == 1:
            return asked
        spreads = spread(*jax.device_get(runs))
        return asked._replace(spread=tuple(map(float, spreads)))

    def ask(
        self,
        leaves: Sequence[Any],
        native: Sequence[Any],
        seed: int,
        points: Sequence[float] = BOTH,
    ) -> Asked:
        """Ask the witnesses about a gradient in the working precision.

        Where the device lacks float64, or the memory for it, they run on the CPU.
        """
        held = self.held(leaves, native, seed)

        def on(device: Any) -> Asked:
            with in_float64(device):
                given = jax.device_put(held)
            found = self.programs.evidence(given, points, device)
            return Asked(self, given, at_points(*found), device, len(points))

        cpu = jax.devices("cpu")[0]
        if not has_float64():
            return on(cpu)
        try:
            return on(None)
        except jax.errors.JaxRuntimeError as error:
            if not ran_out(error):
                raise
            return on(cpu)

    def held(self, leaves: Sequence[Any], native: Sequence[Any], seed: int) -> Given:
        """What the programs are given, on the host.

        Args:
            leaves: flat arguments.
            native: the gradient in the working precision; with an axis in front, of
                many examples, which share the lengths of steps.
            seed: of cotangents, directions and the displacement.
        """
        split = self.problem.split
        drawn = draws(split.paths, [leaves[index] for index in split.moving], seed)
        cotangents = self.problem.cotangents(self.outputs, seed)
        wide = jax.device_get((list(leaves), cotangents, list(native)))
        every, cotangents, native = jax.tree.map(widen_on_host, wide)
        sizes = scales([every[index] for index in split.moving], native)
        return every, cotangents, drawn, sizes, native


def make_gradient_plan(
    problem: Problem,
    leaves: Sequence[Any],
    expected: Sequence[str],
    directions: int,
    order: int = 1,
    bare: Callable[..., Any] | None = None,
    mirror: Callable[..., Any] | None = None,
) -> GradientPlan:
    """Trace the programs of a check.

    Args:
        problem: the function and its gradient on flat arrays.
        leaves: flat arguments.
        expected: names of rules that are meant to differ from their function.
        directions: along which all leaves move.
        order: 2 for second derivatives too.
        bare: the function without custom rules, of flat arguments, if it is no part
            of the function's own program.
        mirror: the gradient another way, of flat arguments and cotangents.
    """
    program = trace_observed(problem.function, *leaves).program
    outputs = tuple(program.jaxpr.out_avals)
    cotangents = problem.cotangents(outputs, 0)
    gradient = trace_observed(problem.gradient, *leaves, *cotangents)
    graph = build_graph(program.jaxpr)
    sites = call_sites(graph, problem.split.moving)
    meant = frozenset(site for site in sites if is_expected(site, expected))
    moving = problem.split.moving
    primitives = {step.equation.primitive for step in graph.steps}
    # A train step uses reverse mode alone, and forward mode costs a compilation.
    heard = TRANSPOSED | (set() if problem.unit_cotangents else {"custom_jvp_call"})
    plain = None if bare is None else trace(bare, *leaves)
    mirrored = None if mirror is None else trace(mirror, *leaves, *cotangents)
    with own_settings():
        those = witnesses(
            program,
            gradient.program,
            moving,
            sites,
            meant,
            order=order,
            plain=plain,
            mirror=mirrored,
            handed_in=problem.handed_in,
            forward=not primitives.isdisjoint(heard),
        )
    second, lacking = None, ""
    if order == 2 and not those.refused:
        kept = {s.address for s in sites if s in meant or s.body != "reverse"}
        again = second_problem(problem, program, gradient.program, kept)
        # What stop_gradient holds back makes a lawful gradient of no function.
        symmetric = not sites and "stop_gradient" not in primitives
        try:
            second = make_gradient_plan(
                again.problem,
                leaves,
                expected,
                directions,
                # Without custom rules it is the function itself.
                bare=again.without_rules if len(kept) < len(sites) else None,
                mirror=again.mirrored if symmetric else None,
            )
        except calls.REFUSALS as error:
            lacking = str(error).partition("\n")[0]

    def native(leaves: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        return gradient.program(*leaves, *cotangents)

    def wide(
        leaves: Any,
        cotangents: Any,
        drawn: Draws,
        sizes: Any,
        native: Any,
        displacement: Any,
    ) -> Evidence:
        with own_settings():
            return gather(
                those,
                leaves,
                cotangents,
                native,
                drawn,
                sizes,
                directions,
                displacement,
            )

    def evaluating(function: Callable[[], Values]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            with own_settings():
                return evaluate(those, function(), *given)

        return run

    def rounding(leaves: Any, cotangents: Any) -> list[tuple[Any, Any]]:
        every = [*leaves, *cotangents]
        pairs = with_native_decisions(gradient.program)(every)[len(outputs) :]
        own = those.gradient.apply(every)[len(outputs) :]
        return [
            (relative_gap(native, wide), relative_gap(wide, alone))
            for (native, wide), alone in zip(pairs, own, strict=True)
        ]

    on_host = any(map(calls_host, (program.jaxpr, gradient.program.jaxpr)))
    return GradientPlan(
        problem,
        graph,
        outputs,
        gradient,
        tuple(_way(graph, graph.inputs[index]) for index in moving),
        those,
        make_programs(
            native,
            # Rules are asked at float64 operands, and so is what they call on the host.
            with_wide_callbacks(wide) if on_host else wide,
            evaluating(lambda: lambda _, leaves: those.function.apply(leaves)),
            evaluating(lambda: frozen_function(program)),
        ),
        jax.jit(rounding),
        second,
        lacking,
        tuple(name for name in expected if not is_anywhere(name, graph, sites)),
    )


def _way(graph: Graph, source: int) -> Way:
    equations = [step.equation for step in graph.steps_after(source)]
    return Way(
        frozenset(equation.address for equation in equations),
        frozenset(equation.primitive for equation in equations),
    )


def own_settings() -> AbstractContextManager[Any]:
    """JAX's defaults for what is ours; the user's function was traced with theirs."""
    stack = ExitStack()
    stack.enter_context(jax.numpy_dtype_promotion("standard"))
    stack.enter_context(jax.numpy_rank_promotion("allow"))
    return stack
