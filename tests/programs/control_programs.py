"""Calls, loops, branches and derivatives, for the identity grid."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec as P

from tests.programs.array_programs import mesh

# Calls


def jit_options(x: jax.Array) -> Any:
    """Donation, static names, shardings and inlining of an inner jit."""
    replicated = jax.NamedSharding(mesh(8), P())

    @partial(jax.jit, donate_argnums=1, static_argnames="power")
    def scaled(x: jax.Array, y: jax.Array, *, power: int) -> jax.Array:
        return x**power + y

    placed = jax.jit(jnp.tanh, in_shardings=replicated, out_shardings=replicated)
    return placed(scaled(x, x * 2, power=3)), jax.jit(jnp.sin, inline=True)(x)


@jax.jit
def jit_nested(x: jax.Array) -> Any:
    """jit in jit, under scopes, with an unused argument and a result twice."""

    @jax.jit
    def inner(x: jax.Array, unused: jax.Array) -> Any:
        with jax.named_scope("inner"):
            return jnp.sin(x), x, x

    with jax.named_scope("outer"):
        return inner(x, x * 3), inner(jnp.cos(x), x)


def named_call(x: jax.Array) -> jax.Array:
    return jax.named_call(lambda x: jnp.sin(x) * 2, name="called")(x)


def composite(x: jax.Array) -> Any:
    return lax.composite(lambda x, scale: (jnp.sin(x) + 1) * scale, "my.op")(
        x, scale=np.float32(2)
    )


# Loops


def scan(x: jax.Array) -> Any:
    return lax.scan(lambda c, row: (c + jnp.sin(row), c * row), x.sum(), x)


def scan_reverse_unroll(x: jax.Array) -> Any:
    def body(carry: Any, row: Any) -> Any:
        count, total = carry
        y, flag = row
        return (count + 1, jnp.where(flag, total * y, total)), (total, count)

    rows = (x, np.arange(8) % 2 == 0)
    return lax.scan(body, (0, x[:2]), rows, reverse=True, unroll=3)


def scan_zero_length(x: jax.Array) -> Any:
    return lax.scan(lambda c, row: (c * row.sum(), c), x[0], jnp.ones((0, 3)) * x[1])


def scan_no_carry(x: jax.Array) -> Any:
    return lax.map(jnp.sin, x)


def scan_no_rows(x: jax.Array) -> Any:
    return lax.scan(lambda c, _: (jnp.sin(c) * x, None), x, length=3)


def scan_long(x: jax.Array) -> Any:
    return lax.scan(lambda c, _: (c * 0.99 + x * 0.01, c[0]), x, length=200)


def associative_scan(x: jax.Array) -> Any:
    return lax.associative_scan(jnp.multiply, x)


def while_loop(x: jax.Array) -> Any:
    return lax.while_loop(
        lambda c: (c[0] < 3) & (x[0] < 100), lambda c: (c[0] + 1, c[1] * x), (0, x)
    )


def while_batched(x: jax.Array) -> Any:
    """A while loop whose predicate has a batch dimension."""

    def collatz(start: jax.Array) -> Any:
        return lax.while_loop(
            lambda c: c[1] < 2, lambda c: (c[0] + 1, c[1] * 1.5), (0, start)
        )

    return jax.vmap(collatz)(x)


def fori(x: jax.Array) -> Any:
    return lax.fori_loop(0, 5, lambda i, c: c * jnp.cos(x) + i, x)


def fori_unknown(x: jax.Array) -> Any:
    stop = jnp.int32(x[0]) + 2
    return lax.fori_loop(0, stop, lambda i, c: c * jnp.cos(x) + i, x)


# Branches


def cond(x: jax.Array) -> Any:
    return lax.cond(x.sum() > 0, jnp.sin, lambda x: jnp.cos(x) * x[0], x)


def switch(x: jax.Array) -> Any:
    branches = [jnp.sin, jnp.cos, lambda x: x * x]
    return [lax.switch(index, branches, x) for index in (jnp.int32(x[0]), 7)]


# Derivatives inside


def remat(x: jax.Array) -> Any:
    return jax.checkpoint(lambda x: jnp.sin(jnp.sin(x)))(x)


def remat_policy(x: jax.Array) -> Any:
    layer = jax.checkpoint(
        lambda x: jnp.sin(jnp.sin(x) @ jnp.ones((8, 8))),
        policy=jax.checkpoint_policies.dots_saveable,
        prevent_cse=False,
    )
    return layer(x)


def remat_in_scan(x: jax.Array) -> Any:
    @jax.checkpoint
    def inner(c: jax.Array) -> jax.Array:
        return jnp.tanh(c) * 2

    @jax.checkpoint
    def body(c: jax.Array, row: jax.Array) -> Any:
        return inner(c * row), c.sum()

    return lax.scan(body, x, x)


def remat_around_scan(x: jax.Array) -> Any:
    """The gradient hoists what does not change in the loop into a call."""

    def loop(x: jax.Array) -> Any:
        def body(carry: jax.Array, row: jax.Array) -> Any:
            return jnp.sin(carry * jnp.cos(jnp.outer(x, x)[0])) * row, carry

        return lax.scan(body, x, x)

    return jax.checkpoint(loop, policy=jax.checkpoint_policies.everything_saveable)(x)


def inner_gradient(x: jax.Array) -> Any:
    return jax.grad(lambda x: jnp.sum(jnp.sin(x) ** 3))(x)
