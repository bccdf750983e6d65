"""`check_gradients`: whether a gradient is right, and if not, what makes it wrong."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Literal

import jax

from jaxdebug.checks.arguments import (
    place_arguments,
    require_names,
    require_order,
    require_seed,
    split_arguments,
)
from jaxdebug.checks.gradients.answers import foreseen, require_budget
from jaxdebug.checks.gradients.asked import Asked
from jaxdebug.checks.gradients.chunk import Chunked, make_chunked
from jaxdebug.checks.gradients.differences import DIRECTIONS
from jaxdebug.checks.gradients.examples import (
    Arguments,
    Examples,
    require_over,
    take_apart,
)
from jaxdebug.checks.gradients.handed_in import with_handed_in
from jaxdebug.checks.gradients.journal import append, fingerprint, read_journal
from jaxdebug.checks.gradients.judged import Shown, judge_gradient
from jaxdebug.checks.gradients.over import Checks, in_turn
from jaxdebug.checks.gradients.plan import GradientPlan, make_gradient_plan
from jaxdebug.checks.gradients.problem import Problem, fitting, split_problem
from jaxdebug.checks.gradients.report import GradientReport
from jaxdebug.checks.gradients.reports import GradientReports
from jaxdebug.checks.gradients.result import build_gradient_report, settled
from jaxdebug.checks.gradients.second_report import with_second_order
from jaxdebug.checks.gradients.skipped import plan_with_skipped, with_skipped
from jaxdebug.checks.gradients.wider import Wider
from jaxdebug.checks.settings import undisturbed
from jaxdebug.programs.program import by_signature, require_function
from jaxdebug.programs.self_test import require_rules
from jaxdebug.reports import worst

LOG = logging.getLogger("jaxdebug")
"""Says what a check will cost, before it is spent."""


def check_gradients(
    fn: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    has_aux: bool = False,
    expected: Sequence[str] = (),
    gradient: Any = None,
    order: int = 1,
    budget: Literal["certificate", "standard", "exhaustive"] | int = "standard",
    jitter: float = 0.0,
    seed: int = 0,
    over: Literal["examples", "batches"] | None = None,
    resume: str | os.PathLike[str] | None = None,
    memory: int | None = None,
) -> Callable[..., Any]:
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
        expected: names of functions whose derivative is meant to differ (straight-
            through, clipping, reversal): those with the rule, or those that call
            them or stop_gradient; wildcards are allowed.
        gradient: to verify in the place of JAX's: a function of the same arguments,
            which is looked at as JAX's would be, or a value, which is compared with
            JAX's up to roundings of its dtype. `fn` must then return a scalar.
        order: 2 to check second derivatives too: those of every custom rule against
            its function's, and the Hessian along one vector, reverse over reverse,
            against differences of the gradient and, where somebody wrote a
            transpose, forward over reverse. They are in `report.second`, and decide
            the verdict with the first.
        budget: how much is looked at. `"certificate"` looks at all leaves together
            along four directions, and near the point only if it is not certified at
            the point itself; `"standard"` at each leaf alone too; `"exhaustive"` at
            each along four directions, and at the gradient without jit. A number is
            the most evaluations of the function that may be spent: leaves alone as far
            as it goes. Custom rules, and what they make of each coordinate, are judged
            with every budget.
        jitter: by how much two runs of the gradient may lawfully differ, relative to
            the largest element, as where a kernel adds up in any order. More than
            that is inconclusive.
        seed: of cotangents, directions and the displacement.
        over: to check at many examples, as many at once as memory allows: the arrays
            of all arguments that are not differentiated by have one more meaning on
            their leading axis. With `"examples"` each check gets a batch of one,
            `x[i : i + 1]`; with `"batches"` it gets `x[i]`. Scalars, and a key of
            `jax.random.key`, are the same for all. Not with `order=2`, nor with a
            `gradient` that is a value.
        resume: a file that reports are written to as they are made, with `over`; an
            interrupted check of the same arguments goes on where it stopped.
        memory: bytes that may be used at once with `over`; a quarter of what is free
            if it is not given.

    Returns:
        A function with the arguments of `fn` that returns a `GradientReport`; with
        `over` a `GradientReports`, which holds one for each example.

    Raises:
        ValueError: when called, if there is nothing to differentiate by, if
            `gradient` does not have the shapes of the parameters, if there is no
            one leading axis to go over, or if `resume` is of another check.
        TypeError: if `fn` is no function; when called, if an argument is not a
            pytree of arrays.

    Cost:
        Stated beforehand to the logger `jaxdebug`, at the level INFO. Two gradients in
        the working precision; in float64 two, with custom rules four, the function
        `28 + 4 * leaves` times (exhaustive `28 + 16 * leaves`), and 98 times more for
        each leaf that these leave open, up to 1000 times for each of three leaves that
        are wrong, and for each call of a custom rule about six pullbacks of it; the
        memory of two float64 gradients and five copies of the leaves. A certificate
        takes one gradient in the working precision, one in float64, with custom rules
        two, and the function 18 times; where the point is on a kink, as at the
        initialisation of a network with relu, twice of that and 33 times more; what is
        wrong is searched for as above. With `budget="exhaustive"` one gradient without
        jit. Two compilations for each signature, whatever the arguments; one more for
        each of: a stop_gradient that makes differences of the plain function useless,
        a leaf that is wrong, digits that are lost; and all of it again in float64 if a
        rule differs by no more than some roundings of its dtype; 16 gradients in
        float64 where a rule or forward mode differs. With `order=2` the same again
        for a function that costs as much as the gradient. With `over` the programs
        are compiled once for as many examples as fit.

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
        >>> _ = double.defjvp(lambda x, t: (2 * x[0], 3 * t[0]))
        >>> report = check_gradients(lambda w: jnp.sum(double(w)))(jnp.ones(3))
        >>> report.verdict.value, report.rules[0].name
        ('fail', 'double')
    """
    require_function("check_gradients", fn)
    expected = require_names("check_gradients", expected)
    require_seed("check_gradients", seed)
    allowed = require_budget("check_gradients", budget)
    _require_order(order, gradient)
    _require_jitter(jitter)
    require_over(over, order, gradient, resume, memory)
    name = getattr(fn, "__name__", "function")
    is_value = gradient is not None and not callable(gradient)

    @by_signature
    def plan(*args: Any, **kwargs: Any) -> GradientPlan:
        require_rules("check_gradients")
        leaves = jax.tree.leaves((args, kwargs))

        def problem(without: frozenset[int]) -> Problem:
            return split_problem(
                fn,
                argnums,
                has_aux,
                None if is_value else gradient,
                args,
                kwargs,
                without,
                is_loss=is_value,
            )

        def made(problem: Problem) -> GradientPlan:
            return make_gradient_plan(problem, leaves, expected, DIRECTIONS, order)

        return plan_with_skipped(problem, made, leaves)

    def ask(arrays: Arguments) -> Asked:
        args, kwargs = arrays
        leaves, made = jax.tree.leaves(arrays), plan(*args, **kwargs)
        count, points = len(made.ways), len(allowed.points)
        LOG.info(
            "gradients of %s: %d leaves, %d values and %d gradients in float64; more "
            "where these leave something open",
            name,
            count,
            foreseen(allowed, count) + points,
            points * made.witnesses.gradients,
        )
        return made.at(leaves, seed, allowed.points)

    def judged(
        asked: Asked,
        arrays: Arguments,
        started: float,
        shown: Shown | None = None,
        values: Mapping[tuple[str, ...], Any] | None = None,
    ) -> GradientReport:
        leaves = jax.tree.leaves(arrays)
        by_user = gradient is not None and not is_value
        wider = None if by_user else Wider(arrays, ask, expected, allowed)
        said = judge_gradient(asked, expected, budget=allowed, shown=shown)
        said, asked = settled(said, asked, leaves, wider, jitter, allowed.eager)
        if values is not None:
            said = with_handed_in(said, asked, values)
        report = build_gradient_report(said, asked, name, seed, started)
        report = with_skipped(report, asked.plan.skipped)
        if order == 1:
            return report
        return with_second_order(report, asked, leaves, expected, allowed)

    def handed_in(arrays: Arguments) -> dict[tuple[str, ...], Any]:
        split, leaves = split_arguments(argnums, *arrays), jax.tree.leaves(arrays)
        return fitting(gradient, split, [leaves[i].shape for i in split.moving])

    def one(arrays: Arguments) -> GradientReport:
        started = time.perf_counter()
        values = handed_in(arrays) if is_value else None  # refused before it runs
        return judged(ask(arrays), arrays, started, values=values)

    chunked: dict[tuple[int, tuple[bool, ...]], Chunked] = {}

    def many(examples: Examples) -> GradientReports:
        started = time.perf_counter()
        args, kwargs = examples.one(0)
        made = plan(*args, **kwargs)
        settings = {"argnums": argnums, "expected": expected, "jitter": jitter}
        run = fingerprint(
            made.gradient.program.jaxpr,
            examples.leaves,
            function=name,
            seed=seed,
            over=over,
            budget=budget,
            **settings,
        )
        done = {} if resume is None else read_journal(resume, run)
        todo = [index for index in range(examples.count) if index not in done]

        if todo:
            key = id(made), examples.own
            chunked[key] = chunked.get(key) or make_chunked(made, examples.own)
            checks = Checks(one, judged, expected, allowed, seed)
            for found in in_turn(chunked[key], examples, todo, checks, memory):
                done |= dict(found)
                if resume is not None:
                    append(resume, found)
        reports = tuple(done[index] for index in range(examples.count))
        verdict = worst(report.verdict for report in reports)
        seconds = time.perf_counter() - started
        return GradientReports(name, str(over), verdict, reports, seconds)

    @wraps(fn, updated=())
    def checked(*args: Any, **kwargs: Any) -> GradientReport | GradientReports:
        with undisturbed((args, kwargs)):
            placed = place_arguments(args, kwargs)
            if over is None:
                return one(placed)
            return many(take_apart(*placed, argnums, over))

    return checked


def _require_order(order: int, gradient: Any) -> None:
    require_order("check_gradients", order)
    if order == 2 and gradient is not None:
        raise ValueError(
            "check_gradients expects order=1 where gradient is given: a gradient that "
            "is handed in says nothing of second derivatives. Leave out one of the two."
        )


def _require_jitter(jitter: float) -> None:
    number = isinstance(jitter, int | float) and not isinstance(jitter, bool)
    if not number or not 0 <= jitter < 1:
        raise ValueError(
            "check_gradients expects jitter to be a number from 0 to less than 1; "
            f"found {jitter!r}."
        )
