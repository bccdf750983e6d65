"""`check_precision`: which layer loses the digits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import jax

from jaxdebug.checks.arguments import place_arguments, require_seed
from jaxdebug.checks.gradients.problem import split_problem
from jaxdebug.checks.precision.plan import PrecisionPlan, make_precision_plan
from jaxdebug.checks.precision.report import PrecisionReport
from jaxdebug.checks.precision.result import build_precision_report
from jaxdebug.checks.settings import undisturbed
from jaxdebug.findings.silence import require_patterns
from jaxdebug.programs.program import by_signature, require_function
from jaxdebug.programs.self_test import require_rules


def check_precision(
    fn: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    has_aux: bool = False,
    seed: int = 0,
    silence: Sequence[str] = (),
) -> Callable[..., PrecisionReport]:
    """Which layer, and which line, loses the digits of a function and its gradient.

    The function and its gradient run in their own dtypes and in float64 together,
    equation by equation. Of every array the relative error is known, and how much of
    it came in with the operands. The error of each output and of each leaf's
    gradient is followed back to where it grows by more than the dtype explains: an
    overflow, an underflow, a cancellation, a sum that is rounded term by term, a cast
    whose lost digits are needed later, or an ill-conditioned operation.

    The float64 side takes the decisions that the function takes (comparisons,
    argmax, top-k, sorting orders, rounding to whole numbers), so that errors are
    rounding alone. Decisions that float64 would take otherwise are counted, and what
    they would change is said beside.

    Args:
        fn: a function of pytrees of arrays; returns any pytree. The gradient of a
            scalar is taken as it is; other outputs are contracted with random
            cotangents.
        argnums: which arguments are differentiated by, as in `jax.grad`.
        has_aux: whether the function returns `(output, aux)`.
        seed: of the cotangents.
        silence: findings that are known and accepted, as `"code"` or
            `"code:where"` with wildcards. They are listed, but do not count.

    Returns:
        A function with the arguments of `fn` that returns a `PrecisionReport`.

    Raises:
        ValueError: if an entry of `silence` names no code; when called, if there is
            nothing to differentiate by.
        TypeError: if `fn` is no function; when called, if an argument is not a
            pytree of arrays.

    Cost:
        One compiled program: the gradient once in its own precision and twice in
        float64, and one pass over each array that is not only moved. It compiles
        about ten times as long as the gradient. Where decisions come out otherwise,
        a second program: the gradient once more in float64.

    Limits:
        Each operation rounds to its dtype, as the program is written: where XLA
        fuses, it may keep more digits than that. Kernels and callbacks run in their
        own precision on both sides. Constants have the digits that they had when the
        program was traced: an epsilon that float16 rounded to zero is zero on both
        sides. Errors are of whole arrays: what is lost in few small elements shows
        only in `worst`.

    Example:
        >>> import jax.numpy as jnp
        >>> def spread(x):
        ...     return jnp.mean(x**2) - jnp.mean(x) ** 2
        >>> report = check_precision(spread)(1000 + jnp.arange(4.0) / 10)
        >>> [(cause.reason, cause.primitive) for cause in report.causes]
        [('cancellation', 'sub')]
    """
    require_function("check_precision", fn)
    require_seed("check_precision", seed)
    silence = require_patterns("silence", silence)

    @by_signature
    def plan(*args: Any, **kwargs: Any) -> PrecisionPlan:
        require_rules("check_precision")
        problem = split_problem(fn, argnums, has_aux, None, args, kwargs)
        return make_precision_plan(problem, jax.tree.leaves((args, kwargs)))

    def measure(*args: Any, **kwargs: Any) -> PrecisionReport:
        started = time.perf_counter()
        arrays = place_arguments(args, kwargs)
        made = plan(*arrays[0], **arrays[1])
        measured = made.run(jax.tree.leaves(arrays), seed)
        name = getattr(fn, "__name__", "function")
        return build_precision_report(made, measured, name, seed, started, silence)

    @wraps(fn, updated=())
    def checked(*args: Any, **kwargs: Any) -> PrecisionReport:
        # A report on a NaN says more than the exception these settings raise.
        with undisturbed((args, kwargs)):
            return measure(*args, **kwargs)

    return checked
