"""Layers of models and steps of optimisers that lose their digits, and healthy ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

import jaxdebug as jd

X = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)


class Centred(nn.Module):
    """Divides by the root of the variance, by a good formula or by a bad one."""

    good: bool

    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = x + 500
        mean = x.mean(-1, keepdims=True)
        if self.good:
            spread = ((x - mean) ** 2).mean(-1, keepdims=True)
        else:
            spread = (x**2).mean(-1, keepdims=True) - mean**2
        return (x - mean) / jnp.sqrt(jnp.abs(spread) + 1e-3)


class Net(nn.Module):
    good: bool

    @nn.compact
    def __call__(self, x: Any) -> Any:
        return nn.Dense(2)(nn.tanh(Centred(self.good)(nn.Dense(4)(x))))


@pytest.mark.slow
@pytest.mark.parametrize("good", [False, True])
def test_the_layer_is_named(good: bool) -> None:
    net = Net(good)
    params = net.init(jax.random.key(0), X)

    def loss(params: Any, x: Any) -> jax.Array:
        out: Any = net.apply(params, x)
        return jnp.mean((out - 1) ** 2)

    report = jd.check_precision(loss)(params, X)
    found = [(finding.code, finding.where) for finding in report.findings]
    wrong = [("catastrophic-cancellation", "Net/Centred_0")]
    assert found == ([] if good else wrong)
    if not good:
        (finding,) = report.findings
        assert str(finding.line).rpartition(":")[0].endswith("test_precision_models.py")
        assert "jnp.var(x)" in finding.remedies[0]
        errors = {s.name: s for s in report.layers if s.kind == "output"}
        assert errors["Net/Centred_0"].error > 100 * errors["Net/Centred_0"].inherited


class Small(nnx.Module):
    def __init__(self) -> None:
        kind: Any = {"dtype": jnp.bfloat16, "param_dtype": jnp.bfloat16}
        rngs = nnx.Rngs(0)
        self.first = nnx.Linear(4, 8, rngs=rngs, **kind)
        self.norm = nnx.LayerNorm(8, rngs=rngs, **kind)
        self.last = nnx.Linear(8, 2, rngs=rngs, **kind)

    def __call__(self, x: Any) -> Any:
        return self.last(nnx.relu(self.norm(self.first(x))))


def perceptron() -> Any:
    made = eqx.nn.MLP(4, 2, 8, 2, key=jax.random.key(0))
    return jax.tree.map(
        lambda leaf: leaf.astype(jnp.float16) if eqx.is_inexact_array(leaf) else leaf,
        made,
    )


@pytest.mark.slow
@pytest.mark.parametrize("make", [Small, perceptron])
def test_modules_in_low_precision_are_quiet(make: Callable[[], Any]) -> None:
    model = make()
    dtype = jnp.bfloat16 if make is Small else jnp.float16
    call = model if make is Small else jax.vmap(model)
    assert call(jnp.asarray(X, dtype)).dtype == dtype

    def loss(model: Any, x: Any) -> jax.Array:
        called = model if make is Small else jax.vmap(model)
        return jnp.mean(called(x).astype(jnp.float32) ** 2)

    report = jd.check_precision(loss)(model, jnp.asarray(X, dtype))
    assert report.ok
    assert not report.findings
    names = {layer.name for layer in report.layers}
    assert names & {"Small/first", "layers/0"}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [jnp.float16, jnp.float32])
def test_the_epsilon_of_adam_in_float16(dtype: Any) -> None:
    """The square of a small gradient is zero in float16, and so is 1e-8."""
    gradient = jnp.asarray([1e-5, -2e-5, 3e-5, 1e-5], dtype)

    def step(gradient: Any, second: Any) -> Any:
        second = 0.999 * second + 0.001 * gradient**2
        return gradient / (jnp.sqrt(second) + 1e-8)

    report = jd.check_precision(step)(gradient, jnp.zeros(4, dtype))
    codes = {finding.code for finding in report.findings}
    if dtype == jnp.float32:
        assert report.ok
        assert not any(finding.severity == "warning" for finding in report.findings)
    else:
        assert not report.ok
        assert "value-underflow" in codes
