"""`assert_gradients`: a function's gradients are right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jaxdebug.checks.gradients.check_gradients import check_gradients
from jaxdebug.checks.gradients.report import GradientReport


def assert_gradients(
    fn: Callable[..., Any],
    *args: Any,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    expected: Sequence[str] = (),
    gradient: Any = None,
    order: int = 1,
    budget: Any = "standard",
    jitter: float = 0.0,
    seed: int = 0,
    allow_inconclusive: bool = False,
) -> GradientReport:
    """Raise unless a function's gradients are right at some arguments.

    Args:
        fn: a function of pytrees of arrays; returns any pytree.
        *args: where its gradients are checked.
        argnums: which arguments are differentiated by, as in `jax.grad`.
        has_aux: whether the function returns `(output, aux)`.
        expected: names of functions whose derivative is meant to differ.
        gradient: to verify in the place of JAX's.
        order: 2 to check second derivatives too.
        budget: how much is looked at; as this and all above, of `check_gradients`.
        jitter: by how much two runs may lawfully differ.
        seed: of cotangents and directions.
        allow_inconclusive: whether to pass where nothing can be decided.

    Returns:
        The report, which passed.

    Raises:
        ReportFailed: an AssertionError with the whole report.
        ValueError, TypeError: as `check_gradients` does.

    Cost:
        As `check_gradients`, compiled anew at each call of the assertion: to check at
        many arguments of the same shapes, call `check_gradients(fn)` once and what it
        returns many times.

    Example:
        >>> import jax.numpy as jnp
        >>> assert_gradients(jnp.sin, jnp.ones(3)).ok
        True
    """
    __tracebackhide__ = True
    check = check_gradients(
        fn,
        argnums,
        has_aux=has_aux,
        expected=expected,
        gradient=gradient,
        order=order,
        budget=budget,
        jitter=jitter,
        seed=seed,
    )
    report = check(*args)
    report.raise_if_failed(allow_inconclusive=allow_inconclusive)
    return report
