"""A call in a loop: the worst iteration is named, with the first and the last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import pytest
from jax import lax

import jaxdebug as jd
from tests.slow import quick_cases
from tests.verification.case import normal, with_rule


def _wrong_above(limit: float) -> Callable[..., Any]:
    """The sine of the first of two numbers; the rule is wrong for large ones."""

    def backward(x: Any, g: Any) -> tuple[Any]:
        factor = jnp.where(x[1] > limit, 1.0 + 0.01 * (x[1] - limit), 1.0)
        return (jnp.stack([g * jnp.cos(x[0]) * factor, jnp.zeros_like(g)]),)

    return with_rule(lambda x: jnp.sin(x[0]), backward)


def _looped(length: int, inner: int = 0) -> Callable[[Any], Any]:
    """Wrong from iteration 60 on, and more so in each that follows."""
    rule = _wrong_above(59.5)

    def call(c: Any, i: Any) -> Any:
        return rule(jnp.stack([c, i.astype(c.dtype)])) + 0.5

    def step(c: Any, i: Any) -> tuple[Any, None]:
        if not inner:
            return call(c, i), None
        again = lax.scan(lambda c, _: (call(c, i), None), c, None, length=inner)
        return again[0], None

    return lambda x: lax.scan(step, x, jnp.arange(length))[0]


LOOPS = {"rows": (100, 0), "merged": (300, 0), "merged, rows inside": (150, 3)}


@pytest.mark.parametrize("name", quick_cases(LOOPS, [], slice_of=1))
def test_first_last_and_worst_iteration(name: str) -> None:
    length, inner = LOOPS[name]
    report = jd.check_gradients(_looped(length, inner))(jnp.float32(0.3))
    (rule,) = report.rules
    assert report.verdict == "fail"
    first, last = rule.ends
    assert first < 1e-9
    assert last == pytest.approx(rule.error, rel=0.2)
    assert rule.iteration[0] == length - 1
    assert len(rule.iteration) == 1 + bool(inner)
    (found,) = report.findings
    assert f"in iteration {length - 1}" in found.message


@pytest.mark.slow
def test_a_right_rule_in_a_loop() -> None:
    rule = with_rule(lambda x: jnp.sin(x), lambda x, g: (g * jnp.cos(x),))

    def function(x: Any) -> Any:
        return lax.scan(lambda c, _: (rule(c) + 0.1, None), x, None, length=200)[0]

    report = jd.check_gradients(function)(normal(3))
    assert report.ok, str(report)
