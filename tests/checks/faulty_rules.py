"""Derivative rules of a user's: right, and wrong in each of the usual ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


@jax.custom_vjp
def right(x: jax.Array) -> jax.Array:
    return jnp.sin(x)


right.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (g * jnp.cos(x),))


@jax.custom_vjp
def factor(x: jax.Array) -> jax.Array:
    return jnp.sin(x)


factor.defvjp(
    lambda x: (jnp.sin(x), x),
    lambda x, g: (g * jnp.cos(x) * jnp.asarray(1.01, g.dtype),),
)


@jax.custom_vjp
def sign(x: jax.Array) -> jax.Array:
    return jnp.sin(x)


sign.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (-g * jnp.cos(x),))


@jax.custom_vjp
def zero(x: jax.Array) -> jax.Array:
    return jnp.sin(x)


zero.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (jnp.zeros_like(g),))


@jax.custom_vjp
def deaf(x: jax.Array) -> jax.Array:
    """Its rule ignores the cotangent."""
    return jnp.sin(x)


deaf.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (jnp.cos(x),))


@jax.custom_jvp
def tangent(x: jax.Array) -> jax.Array:
    return jnp.sin(x)


@tangent.defjvp
def _tangent_jvp(primals: Any, tangents: Any) -> Any:
    (x,), (t,) = primals, tangents
    return jnp.sin(x), jnp.cos(x) * t * jnp.asarray(1.01, x.dtype)


RULES: dict[str, Callable[[jax.Array], jax.Array]] = {
    "right": right,
    "factor": factor,
    "sign": sign,
    "zero": zero,
    "deaf": deaf,
    "tangent": tangent,
}
