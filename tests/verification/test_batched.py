"""A rule that is right alone and wrong under vmap."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax.custom_batching import custom_vmap

import jaxdebug as jd
from tests.verification.case import normal

XS = normal(4, 3).astype("f")


@custom_vmap
def _cosine(x: Any) -> Any:
    return jnp.cos(x)


@_cosine.def_vmap
def _(axis_size: int, in_batched: Any, x: Any) -> tuple[Any, Any]:
    return jnp.cos(x) * 1.01, in_batched[0]


@jax.custom_vjp
def sine(x: Any) -> Any:
    return jnp.sin(x)


sine.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (g * _cosine(x),))


@pytest.mark.slow
def test_one_example_passes() -> None:
    report = jd.check_gradients(lambda x: jnp.sum(sine(x) ** 2))(XS[0])
    assert report.ok, str(report)


@pytest.mark.slow
def test_a_batch_fails_and_names_the_rule() -> None:
    report = jd.check_gradients(lambda x: jnp.sum(jax.vmap(sine)(x) ** 2))(XS)
    assert report.verdict == "fail", str(report)
    (found,) = report.findings
    assert (found.code, found.where) == ("wrong-rule", "sine")


@pytest.mark.slow
def test_a_gradient_by_vmap_is_checked_against_a_loop() -> None:
    def loop(x: Any) -> Any:
        return jnp.sum(jax.lax.map(lambda row: jnp.sin(row) ** 2, x))

    def batched(x: Any) -> Any:
        return jnp.sum(jax.vmap(sine)(x) ** 2)

    report = jd.check_gradients(loop, gradient=jax.grad(batched))(XS)
    assert report.verdict == "fail"
    report = jd.check_gradients(
        loop, gradient=jax.grad(lambda x: jnp.sum(jnp.sin(x) ** 2))
    )(XS)
    assert report.ok
