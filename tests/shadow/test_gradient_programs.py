"""The shadow of a gradient is the derivative of the shadow of its function."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxdebug as jd
from tests.shadow.programs import X, cube, sine


def recurrent(w: jax.Array) -> jax.Array:
    """Custom rules inside a scan inside remat, in bfloat16 and float32."""

    @jax.checkpoint
    def step(c: jax.Array, row: jax.Array) -> tuple[jax.Array, jax.Array]:
        c = jnp.tanh(c * row.astype(jnp.bfloat16).astype(jnp.float32)) + cube(c)
        return c * 0.5, sine(c).sum()

    carry, rows = lax.scan(step, w[0], w)
    return (carry**2).sum() + rows.mean()


def branching(w: jax.Array) -> jax.Array:
    y = lax.cond(w[0, 0] > 0, lambda w: jnp.exp(w), lambda w: jnp.cos(w) ** 2, w)
    y = y.astype(jnp.float16).astype(jnp.float32)
    return lax.fori_loop(0, 3, lambda i, c: jnp.sin(c) @ (w.T @ w), y).sum()


def normalised(w: jax.Array) -> jax.Array:
    w = w.astype(jnp.bfloat16)
    mean, var = w.mean(0), w.var(0)
    y = jax.nn.softmax((w - mean) * lax.rsqrt(var + 1e-3))
    picked = y.at[jnp.array([0, 1])].add(w[2:4] ** 2)
    return -jnp.log(picked**2 + 1).mean().astype(jnp.float32)


def block(w: jax.Array) -> jax.Array:
    """Attention and a feed-forward layer in bfloat16 with remat, twice."""
    x = jnp.sin(jnp.arange(30.0)).reshape(5, 6)

    @jax.checkpoint
    def layer(x: jax.Array, w: jax.Array) -> tuple[jax.Array, None]:
        x, w = x.astype(jnp.bfloat16), w.astype(jnp.bfloat16)
        q, k = x @ w[:, :6], x @ w[:, 6:12]
        scores = q @ k.T / np.sqrt(6).astype(jnp.bfloat16)
        mask = jnp.tril(jnp.ones((5, 5), bool))
        attended = jax.nn.softmax(jnp.where(mask, scores, -jnp.inf)) @ x
        hidden = jax.nn.gelu((x + attended) @ w[:, 12:])
        out = hidden @ w[:, 12:].T
        out = (out - out.mean(-1, keepdims=True)) * lax.rsqrt(out.var() + 1e-5)
        return out.astype(jnp.float32), None

    x, _ = lax.scan(layer, x, w)
    return (x**2 * jnp.arange(6.0)).mean()


PROGRAMS: dict[str, tuple[Callable[..., Any], np.ndarray]] = {
    "recurrent": (recurrent, X),
    "branching": (branching, X / 2),
    "normalised": (normalised, X),
    "block": (block, np.random.default_rng(4).standard_normal((2, 6, 20)) / 3),
}


@cache
def wide_gradient(name: str) -> np.ndarray:
    function, point = PROGRAMS[name]
    native = point.astype(np.float32)
    return jd.shadow(jax.grad(function), like=(native,))(point)


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_agrees_with_differences_of_the_shadow(name: str) -> None:
    function, point = PROGRAMS[name]
    wide = jd.shadow(function, like=(point.astype(np.float32),))
    gradient = wide_gradient(name)
    random = np.random.default_rng(5)
    d = random.standard_normal(point.shape)
    slope = np.sum(gradient * d)

    def error(h: float) -> float:
        return abs((wide(point + h * d) - wide(point - h * d)) / (2 * h) - slope)

    scale = np.linalg.norm(gradient)
    assert error(1e-5) < 1e-8 * scale
    # Halving a step divides the error by four as long as rounding is below it.
    ratios = [error(h) / error(h / 2) for h in (4e-3, 2e-3)]
    assert ratios == pytest.approx([4, 4], rel=0.05)


def test_bfloat16_costs_what_the_shadow_wins() -> None:
    function, point = PROGRAMS["normalised"]
    wide = wide_gradient("normalised")
    native = jax.jit(jax.grad(function))(point.astype(np.float32))
    narrow = np.asarray(native, np.float64)
    assert np.linalg.norm(narrow - wide) > 1e-3 * np.linalg.norm(wide)
