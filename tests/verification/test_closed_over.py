"""A rule whose function closes over an array: an operand that nobody moves."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from tests.slow import quick_cases
from tests.verification.case import normal

W = normal(3, 2).astype(np.float32)
X = normal(4, 3).astype(np.float32)


@pytest.mark.parametrize("kind", quick_cases(["vjp", "jvp"], [], slice_of=1))
def test_it_is_judged_as_any_other(kind: str) -> None:
    """JAX makes the array an operand of the call, and refuses its derivative."""

    def ruled(factor: float) -> Any:
        def layer(x: Any) -> Any:
            return jnp.tanh(x @ jnp.asarray(W))

        def slope(x: Any) -> Any:
            return factor * (1 - layer(x) ** 2)

        if kind == "vjp":
            called: Any = jax.custom_vjp(layer)
            called.defvjp(lambda x: (layer(x), x), lambda x, g: ((g * slope(x)) @ W.T,))
        else:
            called = jax.custom_jvp(layer)
            called.defjvp(lambda x, t: (layer(x[0]), slope(x[0]) * (t[0] @ W)))
        return jd.check_gradients(lambda x: jnp.sum(jax.jit(called)(x)))

    assert ruled(1.0)(X).ok
    report = ruled(1.01)(X)
    assert [(f.code, f.where) for f in report.findings] == [("wrong-rule", "layer")]


@pytest.mark.slow
@pytest.mark.parametrize("factor", [2.0, 2.01])
def test_an_operand_that_is_handed_over_twice_is_one(factor: float) -> None:
    """As in JAX's custom_root: only the sum of what the rule gives has a meaning."""

    @jax.custom_vjp
    def product(x: Any, y: Any) -> Any:
        return jnp.sin(x) * y

    def forward(x: Any, y: Any) -> Any:
        return jnp.sin(x) * y, (x, y)

    def backward(saved: Any, g: Any) -> Any:
        x, y = saved
        return g * (jnp.cos(x) * y + 0.5 * factor * jnp.sin(x)), jnp.zeros_like(y)

    product.defvjp(forward, backward)
    report = jd.check_gradients(lambda x: jnp.sum(product(x, x)))(jnp.ones(3))
    assert report.verdict == ("pass" if factor == 2 else "fail"), str(report)
