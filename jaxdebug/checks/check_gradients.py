"""`check_gradients`: whether a gradient is right, and if not, what makes it wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import jax
import numpy as np

from jaxdebug.checks.gradient_plan import (
    GradientPlan,
    is_expected,
    make_gradient_plan,
    value_tolerances,
)
from jaxdebug.checks.gradient_problem import split_problem
from jaxdebug.checks.gradient_report import GradientReport
from jaxdebug.checks.loss import place_arguments
from jaxdebug.gradients.certificate import certify
from jaxdebug.gradients.evidence import Evidence
from jaxdebug.gradients.isolation import CallSite
from jaxdebug.gradients.leaf_check import (
    RUNGS,
    Leaf,
    LeafCheck,
    judge_leaves,
    plan_moves,
)
from jaxdebug.gradients.rule_verdict import (
    Judged,
    judge_calls,
    judge_rules,
    rule_name,
)
from jaxdebug.gradients.verdict import estimate
from jaxdebug.programs.program import by_signature, require_function
from jaxdebug.programs.self_test import require_rules
from jaxdebug.reports import Verdict

DIRECTIONS = 4


def check_gradients(
    fn: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    has_aux: bool = False,
    expected: Sequence[str] = (),
    gradient: Any = None,
    seed: int = 0,
) -> Callable[..., GradientReport]:
    require_function("check_gradients", fn)
    expected = (expected,) if isinstance(expected, str) else tuple(expected)

    @by_signature
    def plan(*args: Any, **kwargs: Any) -> GradientPlan:
        require_rules("check_gradients")
        problem = split_problem(fn, argnums, has_aux, gradient, args, kwargs)
        leaves = jax.tree.leaves((args, kwargs))
        return make_gradient_plan(problem, leaves, expected, DIRECTIONS)

    def measure(*args: Any, **kwargs: Any) -> GradientReport:
        started = time.perf_counter()
        arrays = place_arguments(args, kwargs)
        made = plan(*arrays[0], **arrays[1])
        leaves = jax.tree.leaves(arrays)
        moves = plan_moves(len(made.problem.split.moving), DIRECTIONS, alone=True)
        native, evidence = made.run(leaves, seed, moves)
        known = known_leaves(made, evidence, expected)
        checks = judge_leaves(known, evidence, DIRECTIONS, alone=True)
        if any(
            leaf.cut and check.verdict is not Verdict.PASS
            for leaf, check in zip(known, checks, strict=True)
        ):
            evidence = made.hold_still(leaves, seed, moves, evidence)
            checks = judge_leaves(known, evidence, DIRECTIONS, alone=True)
        name = getattr(fn, "__name__", "function")
        return _report(made, name, expected, checks, evidence, seed, started)

    @wraps(fn, updated=())
    def checked(*args: Any, **kwargs: Any) -> GradientReport:
        with jax.debug_nans(False), jax.debug_infs(False):
            return measure(*args, **kwargs)

    return checked


def known_leaves(
    plan: GradientPlan, evidence: Evidence, expected: Sequence[str]
) -> list[Leaf]:
    """What the program's flow says of each leaf."""
    sites, graph = plan.witnesses.sites, plan.graph
    each = judged_calls(plan, evidence, expected)
    leaves = []
    for index, path in zip(
        plan.problem.split.moving, plan.problem.split.names, strict=True
    ):
        node = graph.inputs[index]
        after = {step.address: step for step in graph.steps_after(node)}
        primitives = {step.equation.primitive for step in after.values()}
        mine = [site for site in sites if site.address in after]
        wrong = [s for s in mine if each[s].verdict is Verdict.FAIL]
        leaves.append(
            Leaf(
                path,
                tuple(graph.avals[node].shape),
                str(graph.avals[node].dtype),
                tuple(dict.fromkeys(map(rule_name, wrong))),
                any(is_expected(site, expected) for site in mine),
                "stop_gradient" in primitives,
                "while" in primitives,
            )
        )
    return leaves


def judged_calls(
    plan: GradientPlan, evidence: Evidence, expected: Sequence[str]
) -> dict[CallSite, Judged]:
    """The verdict on each call of a custom rule."""
    sites = plan.witnesses.sites
    meant = [is_expected(site, expected) for site in sites]
    return judge_calls(sites, evidence.rules, value_tolerances(sites), meant)


def _report(
    plan: GradientPlan,
    name: str,
    expected: Sequence[str],
    checks: tuple[LeafCheck, ...],
    evidence: Evidence,
    seed: int,
    started: float,
) -> GradientReport:
    rules = judge_rules(judged_calls(plan, evidence, expected))
    count = 2 * len(RUNGS)
    guesses = [
        estimate(
            evidence.moved[1, count * k : count * (k + 1)].reshape(-1, 2),
            float(evidence.value[1]),
            RUNGS,
        )
        for k in range(DIRECTIONS)
    ]
    slopes = evidence.slopes[1].sum(-1)
    certificate = certify(
        [guess.slope - slope for guess, slope in zip(guesses, slopes, strict=True)],
        [guess.bar for guess in guesses],
        float(np.sqrt(np.sum(evidence.size[1] ** 2))),
    )
    verdicts = [*(c.verdict for c in checks), *(r.verdict for r in rules)]
    finite = bool(np.isfinite(evidence.value).all())
    verdict = Verdict.PASS
    if Verdict.INCONCLUSIVE in verdicts:
        verdict = Verdict.INCONCLUSIVE
    if Verdict.FAIL in verdicts or not finite:
        verdict = Verdict.FAIL
    return GradientReport(
        name, verdict, checks, rules, certificate, seed, time.perf_counter() - started
    )
