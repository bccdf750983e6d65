"""Right gradients of functions that no step resolves are never called wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxdebug as jd
from tests.slow import quick_cases
from tests.verification.case import normal

W = (0.6 * normal(8, 8)).astype(np.float32)


def _recurrence(w: Any) -> Any:
    def step(hidden: Any, _: Any) -> Any:
        return jnp.tanh(2 * w @ hidden), None

    return jnp.sum(lax.scan(step, jnp.full(8, 0.1), None, length=300)[0] ** 2)


def _logistic_map(w: Any) -> Any:
    return lax.fori_loop(0, 40, lambda _, x: 3.9 * x * (1 - x) * w, jnp.float32(0.37))


EXPLODING: dict[str, tuple[Callable[..., Any], Any]] = {
    "recurrence": (_recurrence, W),
    "logistic map": (_logistic_map, np.float32(1)),
    "high frequency": (lambda w: jnp.sin(1e9 * w), np.float32(0.3)),
    "unlike scales": (
        lambda w: jnp.sum(jnp.sin(w * np.array([1e5, 1], np.float32))),
        np.array([1e-5, 1e5], np.float32),
    ),
}


@pytest.mark.parametrize(
    "budget", quick_cases(["standard", "certificate"], ["standard"])
)
@pytest.mark.parametrize("name", quick_cases(EXPLODING, ["high frequency"]))
def test_a_gradient_that_explodes_is_not_called_wrong(name: str, budget: Any) -> None:
    function, args = EXPLODING[name]
    report = jd.check_gradients(function, budget=budget)(args)
    assert report.verdict != "fail", str(report)
    assert not report.findings


@pytest.mark.slow
def test_a_wrong_gradient_of_that_size_is() -> None:
    def gradient(w: Any) -> Any:
        return 1e9 * jax.grad(lambda w: jnp.sum(jnp.sin(w)))(w)

    check = jd.check_gradients(lambda w: jnp.sum(jnp.sin(w)), gradient=gradient)
    assert check(W[0]).verdict == "fail"
