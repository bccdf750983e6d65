"""A rule is not held against its function where neither is defined, nor by a series."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import jaxdebug as jd
from tests.verification.case import with_rule

NAN = float("nan")


@pytest.mark.slow
@pytest.mark.parametrize(("off", "verdict"), [(0.0, "pass"), (1e-2, "fail")])
def test_a_rule_that_is_not_finite_outside_its_domain(off: float, verdict: str) -> None:
    def logarithm(x: Any) -> Any:
        return jnp.where(x > 0, jnp.log(jnp.where(x > 0, x, 1.0)), NAN)

    def backward(x: Any, g: Any) -> tuple[Any]:
        return (jnp.where(x > 0, g * (1 + off) / x, NAN),)

    rule = with_rule(logarithm, backward)

    def loss(x: Any) -> Any:
        # The negative half is held still, and of its values none is used.
        values = rule(jnp.concatenate([x, -lax.stop_gradient(x)]))
        outside = rule(-lax.stop_gradient(x) + 0 * x)
        return jnp.sum(values[:3] + jnp.where(jnp.isfinite(outside), 1.0, 0.0))

    report = jd.check_gradients(loss)(jnp.array([0.5, 1.5, 2.5]))
    assert report.rules[0].verdict == verdict, str(report)


def _power(base: Any, exponent: Any) -> Any:
    """A series that stops at a tolerance, but exact where both are equal."""

    def more(state: Any) -> Any:
        total, term, k = state
        term = term * exponent * jnp.log(base) / k
        return total + term, term, k + 1

    def goes_on(state: Any) -> Any:
        return jnp.abs(state[1]) > 1e-3 * jnp.abs(state[0])

    start = (jnp.ones(()), jnp.ones(()), 1.0)
    series = lax.while_loop(goes_on, more, start)[0]
    return jnp.where(base == exponent, lax.stop_gradient(base**exponent), series)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("off", "verdict"),
    [(0.0, "inconclusive"), (0.1, "fail")],
)
def test_a_branch_for_one_point_of_a_series(off: float, verdict: str) -> None:
    def rule(primals: Any, tangents: Any) -> Any:
        (base, exponent), (by_base, by_exponent) = primals, tangents
        value = power(base, exponent)
        slope = (1 + off) * value * exponent / base * by_base
        return value, slope + value * jnp.log(base) * by_exponent

    power = jax.custom_jvp(_power)
    power.defjvp(rule)
    report = jd.check_gradients(power, (0, 1))(1.5, 1.5)
    assert report.verdict == verdict, str(report)
