"""What the programs of the grid are put through, and what stands for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxdebug.programs.program import trace, transform
from jaxdebug.programs.tool import IDENTITY

Function = Callable[..., Any]


def interpreted(function: Function) -> Function:
    """The function run by the interpreter under a tool that changes nothing."""

    def run(*args: Any) -> Any:
        program = trace(function, *args)
        results, records = transform(program, IDENTITY)(jax.tree.leaves(args))
        assert not records
        return jax.tree.unflatten(program.out_tree, results)

    return run


def evaluated(function: Function) -> Function:
    """The function traced and evaluated by JAX itself."""
    return lambda *args: trace(function, *args)(*args)


def contracted(function: Function) -> Function:
    """A scalar of every inexact result, each element with a weight of its own."""

    def scalar(*args: Any) -> jax.Array:
        total = jnp.float32(0)
        for leaf in jax.tree.leaves(function(*args)):
            if not jnp.issubdtype(leaf.dtype, jnp.inexact):
                continue
            weights = jnp.cos(jnp.arange(leaf.size, dtype=jnp.float32))
            part = jnp.real(leaf) + 2 * jnp.imag(leaf)
            total += jnp.sum(part.astype(jnp.float32) * weights.reshape(leaf.shape))
        return total

    return scalar


def plain(function: Function, replaced: Function) -> Any:
    return replaced(function)


def grad(function: Function, replaced: Function) -> Any:
    return jax.grad(contracted(replaced(function)))


def second(function: Function, replaced: Function) -> Any:
    first = jax.grad(contracted(replaced(function)))
    return jax.grad(lambda *args: jnp.sum(first(*args) ** 2))


def around(function: Function, replaced: Function) -> Any:
    return replaced(jax.grad(contracted(function)))


def vmap(function: Function, replaced: Function) -> Any:
    def batched(*args: Any) -> Any:
        stacked = [jnp.stack([arg, arg]) for arg in args]
        return jax.vmap(replaced(function))(*stacked)

    return batched


def jvp(function: Function, replaced: Function) -> Any:
    def pushed(*args: Any) -> Any:
        out, tangents = jax.jvp(replaced(function), args, args)
        return out, [
            t for t in jax.tree.leaves(tangents) if t.dtype != jax.dtypes.float0
        ]

    return pushed


TRANSFORMATIONS = {
    "plain": plain,
    "grad": grad,
    "second": second,
    "around": around,
    "vmap": vmap,
    "jvp": jvp,
}
"""Each takes the function and what replaces it (`interpreted`, or nothing)."""
