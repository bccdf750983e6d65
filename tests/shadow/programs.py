"""Programs for the shadow: native in float32 or narrower, one line of maths each.

Each takes `X` unless it names its arguments. Cast to float64, every one of them
is a program that JAX itself can run in float64: that is what the shadow is
compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

X = (np.random.default_rng(0).standard_normal((4, 6)) * 0.7).astype(np.float32)
IMAGE = np.random.default_rng(1).standard_normal((2, 6, 6, 3)).astype(np.float32)
KERNEL = np.random.default_rng(2).standard_normal((3, 3, 3, 4)).astype(np.float32)
KEY = jax.random.key(3)


class Case(NamedTuple):
    """A program, its arguments, and how far apart two float64 runs may be."""

    function: Callable[..., Any]
    args: tuple[Any, ...] = (X,)
    tolerance: float = 1e-12


@jax.custom_jvp
def cube(x: jax.Array) -> jax.Array:
    return x**3


@cube.defjvp
def _cube_jvp(primals: Any, tangents: Any) -> Any:
    return primals[0] ** 3, 3 * primals[0] ** 2 * tangents[0]


@jax.custom_vjp
def sine(x: jax.Array) -> jax.Array:
    return jnp.sin(x)


def _sine_bwd(x: jax.Array, g: jax.Array) -> tuple[jax.Array]:
    return (g * jnp.cos(x),)


sine.defvjp(lambda x: (jnp.sin(x), x), _sine_bwd)


def loops(x: jax.Array) -> Any:
    """scan, while, fori, map, cond and switch."""
    total, rows = lax.scan(lambda c, r: (c + jnp.sin(r), c * r), x[0], x)
    ended = lax.while_loop(
        lambda c: c[1] < 5, lambda c: (c[0] * 0.875, c[1] + 1), (x, 0)
    )
    fori = lax.fori_loop(0, 3, lambda i, c: jnp.tanh(c) + i, x)
    either = lax.cond(x[0, 0] > 0, jnp.sin, jnp.cos, x)
    switched = lax.switch(2, [jnp.sin, jnp.cos, jnp.tanh], x)
    return total, rows, ended, fori, lax.map(jnp.exp, x), either, switched


def calls(x: jax.Array) -> Any:
    """jit, remat, both custom rules, and their derivatives."""
    nested = jax.jit(lambda y: jnp.sin(y) @ y.T)(x)
    rules = cube(x) + sine(x)

    def scalar(y: jax.Array) -> jax.Array:
        return jax.checkpoint(lambda z: cube(z).sum() + sine(z).mean())(y)

    return nested, rules, jax.grad(scalar)(x), jax.jvp(cube, (x,), (x,))


def scattered(x: jax.Array) -> Any:
    at = jnp.array([0, 2, 2])
    rows = jnp.ones((3, 6), x.dtype) / 3
    return (
        x.at[at].add(rows),
        x.at[at].multiply(rows),
        x.at[at].min(rows),
        x.at[0].set(rows[0]),
        x[at],
        jax.ops.segment_sum(x, jnp.array([0, 1, 1, 0]), 2),
        lax.dynamic_update_slice(x, rows, (0, 0)),
    )


def combiners(x: jax.Array) -> Any:
    """Reductions with combiners of the user's own."""

    def blend(a: jax.Array, b: jax.Array) -> jax.Array:
        return a + b + a * b / 3

    one = x.dtype.type(0)
    both = lax.reduce(
        (x, x * 2), (one, one), lambda a, b: (a[0] + b[0], a[1] + b[0] * b[1]), (1,)
    )
    window = lax.reduce_window(x, one, blend, (2, 2), (1, 1), "VALID")
    return lax.reduce(x, one, blend, (0,)), both, window, x.prod(), x.cumsum(0)


def pooled(x: jax.Array) -> Any:
    """Pooling forward and its gradient: select_and_scatter_add."""

    def pool(y: jax.Array) -> jax.Array:
        y = y.astype(jnp.bfloat16).astype(jnp.float32) / 3
        return lax.reduce_window(
            y, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "SAME"
        )

    return pool(x), jax.grad(lambda y: (pool(y) ** 2).sum())(x)


def convolved(x: jax.Array, k: jax.Array) -> Any:
    def conv(x: jax.Array, k: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(
            x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    narrow = conv(x.astype(jnp.bfloat16), k.astype(jnp.bfloat16))
    return narrow.astype(jnp.float32), jax.grad(lambda k: conv(x, k).sum())(k)


def complex_numbers(x: jax.Array) -> Any:
    z = jnp.fft.fft(x) * (1 + 2j)
    return z, jnp.fft.irfft(z), jnp.abs(z), z.real, lax.complex(x, x), jnp.angle(z)


def linear_algebra(x: jax.Array) -> Any:
    a = x @ x.T + 2 * jnp.eye(4, dtype=x.dtype)
    return (
        jnp.linalg.solve(a, x),
        jnp.linalg.cholesky(a),
        jnp.linalg.inv(a),
        jnp.linalg.eigh(a)[0],
        jnp.linalg.svd(x, compute_uv=False),
        jnp.linalg.qr(a)[1] ** 2,
        lax.linalg.triangular_solve(a, x, left_side=True, lower=True),
    )


def orders(x: jax.Array) -> Any:
    keys = jnp.argsort(x[0])
    return (
        jnp.sort(x, 0),
        keys,
        jnp.argmax(x, 1),
        lax.top_k(x, 2),
        lax.sort((x[0], x[1]), num_keys=1),
        jax.grad(lambda y: (jnp.sort(y)[..., :2] ** 2).sum())(x),
        x.argmin(),
    )


def functions(x: jax.Array) -> Any:
    return (
        jax.nn.softmax(x),
        jax.nn.logsumexp(x, 1),
        jax.nn.silu(x),
        jax.scipy.special.erf(x),
        lax.lgamma(jnp.abs(x) + 1),
        lax.rsqrt(jnp.abs(x) + 1),
        lax.erf_inv(x / 3),
        jnp.clip(x, -0.5, 0.5),
        jnp.where(x > 0, x, x / 7),
        lax.integer_pow(x, 3),
        jnp.linspace(0.0, x[0, 0], 5),
        jnp.einsum("ab,cb->ac", x, x),
        jnp.std(x, 0),
        lax.associative_scan(jnp.multiply, x),
        jax.vmap(jnp.dot, (0, None))(x, x[0]),
    )


CASES: dict[str, Case] = {
    "loops": Case(loops),
    "calls": Case(calls),
    "scattered": Case(scattered),
    "combiners": Case(combiners),
    "complex numbers": Case(complex_numbers),
    "linear algebra": Case(linear_algebra, tolerance=1e-10),
    "orders": Case(orders),
    "functions": Case(functions),
}
"""Compared with JAX in float64; they hold no dtype of their own."""
