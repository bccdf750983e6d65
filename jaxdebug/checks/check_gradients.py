"""`check_gradients`: whether a gradient is right, and if not, what makes it wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import jax
import numpy as np

from jaxdebug.checks.gradient_findings import findings_of
from jaxdebug.checks.gradient_plan import (
    GradientPlan,
    is_expected,
    make_gradient_plan,
    value_tolerances,
)
from jaxdebug.checks.gradient_problem import split_problem
from jaxdebug.checks.gradient_report import GradientReport
from jaxdebug.checks.loss import place_arguments, require_seed
from jaxdebug.findings import Severity
from jaxdebug.gradients.certificate import certify
from jaxdebug.gradients.custom_calls import CallSite
from jaxdebug.gradients.evidence import Evidence
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
from jaxdebug.programs.coverage import unseen
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
    """Whether a gradient is right, and if not, what makes it wrong.

    Several witnesses of the gradient are heard, all in float64 whatever dtypes the
    function uses: each custom derivative rule against its own function, at the
    operands it really receives; the gradient against that of the function without
    custom rules, every coordinate; and differences of the function alone, along
    random directions. They speak of a point displaced by a thousandth of each leaf's
    scale, where no kink lies, and of the point itself, where a derivative must lie
    between the one-sided slopes. What the working precision loses is reported beside.

    Args:
        fn: a function of pytrees of arrays; returns any pytree. Its outputs are
            contracted with random cotangents.
        argnums: which arguments are differentiated by, as in `jax.grad`. Their
            integer leaves and keys are left alone.
        has_aux: whether the function returns `(output, aux)`.
        expected: names of functions whose rule is meant to differ from the function
            (straight-through, clipping, reversal); wildcards are allowed.
        gradient: to verify in the place of JAX's: a function of the same arguments,
            or a value. `fn` must then return a scalar.
        seed: of cotangents, directions and the displacement.

    Returns:
        A function with the arguments of `fn` that returns a `GradientReport`.

    Raises:
        ValueError: when called, if there is nothing to differentiate by, or if
            `gradient` does not have the shapes of the parameters.
        TypeError: if `fn` is no function; when called, if an argument is not a
            pytree of arrays.

    Cost:
        One gradient in the working precision; in float64 four gradients, the
        function `2 * (16 + 6 * leaves)` times, and for each call of a custom rule
        about six pullbacks of it; the memory of two float64 gradients and four
        copies of the leaves. One compilation for each signature; one more if a
        stop_gradient makes differences of the plain function useless.

    Limits:
        A rule that a derivative inside `fn` has used already is not isolated. A
        body that is a kernel or a callback is compared along four directions only.
        Where the function has no custom rule, single elements of a gradient are
        as right as JAX's own rules; differences see them only along directions.

    Sources:
        Differences with an error bar: C. J. F. Ridders, Accurate computation of
        F'(x) and F'(x)F''(x), Advances in Engineering Software 4 (1982).

    Example:
        >>> import jax, jax.numpy as jnp
        >>> @jax.custom_jvp
        ... def double(x):
        ...     return 2.0 * x
        >>> double.defjvp(lambda primals, tangents: (2 * primals[0], 3 * tangents[0]))
        >>> report = check_gradients(lambda w: jnp.sum(double(w)))(jnp.ones(3))
        >>> report.verdict.value, report.rules[0].name
        ('fail', 'double')
    """
    require_function("check_gradients", fn)
    expected = (expected,) if isinstance(expected, str) else tuple(expected)
    require_seed("check_gradients", seed)

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
        evidence = made.run(leaves, seed, moves)
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
    findings = findings_of(checks, rules)
    points = len(evidence.value)
    return GradientReport(
        name,
        verdict,
        tuple(sorted(findings, key=lambda f: [*Severity].index(f.severity))),
        checks,
        rules,
        certificate,
        _unchecked(plan),
        seed,
        {
            "values": points * (2 + evidence.moved.shape[1]),
            "gradients": 2 * points,
            "seconds": time.perf_counter() - started,
        },
    )


def _unchecked(plan: GradientPlan) -> tuple[str, ...]:
    """What the witnesses did not see into."""
    parts = unseen(plan.graph)
    listed = [str(part) for part in parts]
    named = {part.primitive for part in parts}
    listed += [
        f"{primitive}: ran in its native precision also in the float64 check"
        for primitive in plan.witnesses.native
        if primitive not in named
    ]
    if not plan.outputs:
        listed.append("nothing: the function has no outputs")
    return tuple(listed)
