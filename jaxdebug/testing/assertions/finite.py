"""`assert_finite`: no output of a function is NaN or infinite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxdebug.checks.nonfinite.locate_nonfinite import locate_nonfinite
from jaxdebug.checks.nonfinite.report import NonfiniteReport


def assert_finite(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> NonfiniteReport:
    """Raise unless every output of a function is finite, or infinite as it was meant.

    Args:
        fn: a function of pytrees of arrays; its gradient, to look at that.
        *args: of the function.
        **kwargs: of the function.

    Returns:
        The report, which passed.

    Raises:
        ReportFailed: an AssertionError with the whole report, which names the equation
            that made the first NaN, its operands and the line of the user's code.
        TypeError: as `locate_nonfinite` does.

    Cost:
        One compilation and one run while all is finite; else as `locate_nonfinite`.

    Example:
        >>> import jax.numpy as jnp
        >>> assert_finite(jnp.log, jnp.ones(3)).ok
        True
    """
    __tracebackhide__ = True
    report = locate_nonfinite(fn)(*args, **kwargs)
    report.raise_if_failed()
    return report
