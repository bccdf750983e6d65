"""What a right rule is off by is not called wrong where other terms cancel."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from tests.verification.case import with_rule, working_in


@pytest.mark.slow
@pytest.mark.parametrize(("off", "verdict"), [(5e-8, "pass"), (2e-7, "fail")])
def test_a_gap_that_cancellation_makes_larger(off: float, verdict: str) -> None:
    rule = with_rule(jnp.sin, lambda x, g: (g * jnp.cos(x) * (1 + off),))

    def loss(x: Any) -> Any:
        return jnp.sum(rule(x)) - 0.99 * jnp.sin(x[1])

    with working_in("float64"):
        report = jd.check_gradients(loss)(np.array([0.3, 0.5]))
    assert report.verdict == verdict, str(report)


@jax.custom_jvp
def _versine(x: Any, off: Any) -> Any:
    """Its own derivative is a difference of two numbers that are nearly equal."""
    return (1 - jnp.cos(x)) / x**2


@_versine.defjvp
def _(primals: Any, tangents: Any) -> Any:
    x, off = primals
    return _versine(x, off), (1 + off) * (x**3 / 180 - x / 12) * tangents[0]


@pytest.mark.slow
def test_a_rule_that_does_not_cancel_where_its_function_does() -> None:
    check = jd.check_gradients(_versine)
    x = jnp.array([1.0, 1.5, 2.0])
    for scale, off, verdict in (
        (0.01, 0.0, "pass"),
        (0.01, 1e-4, "fail"),
        (1e-3, 0.0, "inconclusive"),
        (1e-3, 1e-1, "fail"),
        (1e-4, 0.0, "inconclusive"),
        (1e-6, 0.0, "inconclusive"),
    ):
        report = check(scale * x, jnp.float32(off))
        assert report.verdict == verdict, (scale, off, str(report))
        reasons = {rule.reason for rule in report.rules}
        assert ("cancels" in reasons) == (verdict == "inconclusive")


@pytest.mark.slow
def test_modes_that_differ_by_rounding_alone() -> None:
    # The gradient is zero where both are equal, and log(x / y) + 1 - 1 is not quite.
    equal = jnp.full((3, 4), 0.3)
    report = jd.check_gradients(jax.scipy.special.kl_div, (0, 1))(equal, equal)
    assert report.verdict == "pass", str(report)
