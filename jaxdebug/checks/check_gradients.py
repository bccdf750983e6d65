"""`check_gradients`: whether a gradient is right, and if not, what makes it wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import jax

from jaxdebug.checks.arguments import place_arguments, require_names, require_seed
from jaxdebug.checks.gradient_determinism import with_determinism
from jaxdebug.checks.gradient_differences import DIRECTIONS
from jaxdebug.checks.gradient_gauge import with_gauge
from jaxdebug.checks.gradient_plan import GradientPlan, make_gradient_plan
from jaxdebug.checks.gradient_problem import Problem, split_problem
from jaxdebug.checks.gradient_report import GradientReport
from jaxdebug.checks.gradient_result import build_gradient_report
from jaxdebug.checks.gradient_second_report import with_second_order
from jaxdebug.checks.gradient_skipped import plan_with_skipped, with_skipped
from jaxdebug.checks.gradient_wider import with_wider
from jaxdebug.programs.program import by_signature, require_function
from jaxdebug.programs.self_test import require_rules


def check_gradients(
    fn: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    has_aux: bool = False,
    expected: Sequence[str] = (),
    gradient: Any = None,
    order: int = 1,
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
        expected: names of functions whose derivative is meant to differ (straight-
            through, clipping, reversal): those with the rule, or those that call
            them or stop_gradient; wildcards are allowed.
        gradient: to verify in the place of JAX's: a function of the same arguments,
            or a value. `fn` must then return a scalar.
        order: 2 to check second derivatives too: those of every custom rule against
            its function's, and the Hessian along one vector, reverse over reverse,
            against differences of the gradient and, where somebody wrote a
            transpose, forward over reverse. They are in `report.second`, and decide
            the verdict with the first.
        seed: of cotangents, directions and the displacement.

    Returns:
        A function with the arguments of `fn` that returns a `GradientReport`.

    Raises:
        ValueError: when called, if there is nothing to differentiate by, or if
            `gradient` does not have the shapes of the parameters.
        TypeError: if `fn` is no function; when called, if an argument is not a
            pytree of arrays.

    Cost:
        Two gradients in the working precision; in float64 two, with custom rules
        four, the function `40 + 5 * leaves` times, and 98 times more for each leaf
        that these leave open, up to 1000 times for each of three leaves that are
        wrong, and for each call of a custom rule about six pullbacks of it; the
        memory of two float64 gradients and five copies of the leaves. One
        compilation for each signature; one more if a stop_gradient makes differences
        of the plain function useless, and all of it again in float64 if a rule differs
        by no more than some roundings of its dtype. With `order=2` the same again for
        a function that costs as much as the gradient.

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
    if isinstance(order, bool) or order not in (1, 2):
        raise ValueError(
            f"check_gradients expects order to be 1 or 2; found {order!r}."
        )
    if order == 2 and gradient is not None:
        raise ValueError(
            "check_gradients expects order=1 where gradient is given: a gradient that "
            "is handed in says nothing of second derivatives. Leave out one of the two."
        )

    @by_signature
    def plan(*args: Any, **kwargs: Any) -> GradientPlan:
        require_rules("check_gradients")
        leaves = jax.tree.leaves((args, kwargs))

        def problem(without: frozenset[int]) -> Problem:
            return split_problem(fn, argnums, has_aux, gradient, args, kwargs, without)

        def made(problem: Problem) -> GradientPlan:
            return make_gradient_plan(problem, leaves, expected, DIRECTIONS, order)

        return plan_with_skipped(problem, made, leaves)

    def first(arrays: Any) -> tuple[GradientReport, GradientPlan, Any]:
        started = time.perf_counter()
        made = plan(*arrays[0], **arrays[1])
        asked = made.at(jax.tree.leaves(arrays), seed)
        name = getattr(fn, "__name__", "function")
        report = build_gradient_report(asked, name, expected, seed, started)
        return report, made, asked

    def measure(*args: Any, **kwargs: Any) -> GradientReport:
        arrays = place_arguments(args, kwargs)
        leaves = jax.tree.leaves(arrays)
        report, made, asked = first(arrays)
        if gradient is None:
            report = with_wider(report, arrays, lambda wide: first(wide)[0])
        report = with_determinism(with_gauge(report, asked), asked, leaves)
        report = with_skipped(report, made.skipped)
        if order == 1:
            return report
        return with_second_order(report, asked, leaves, expected)

    @wraps(fn, updated=())
    def checked(*args: Any, **kwargs: Any) -> GradientReport:
        with jax.debug_nans(False), jax.debug_infs(False):
            return measure(*args, **kwargs)

    return checked
