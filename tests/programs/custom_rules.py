"""Custom derivative rules of every form, for the identity grid."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero


@jax.custom_jvp
def tripled(x: jax.Array) -> jax.Array:
    """A rule that is deliberately not the derivative, so that losing it shows."""
    return jnp.sin(x) * 2


@tripled.defjvp
def _tripled_jvp(primals: Any, tangents: Any) -> Any:
    return tripled(*primals), 3 * tangents[0] * jnp.cos(primals[0])


@jax.custom_jvp
def product(x: jax.Array, y: jax.Array, count: jax.Array) -> Any:
    return {"out": x * y * count, "count": count + 1}


@partial(product.defjvp, symbolic_zeros=True)
def _product_jvp(primals: Any, tangents: Any) -> Any:
    x, y, count = primals
    out = product(x, y, count)
    total = jnp.zeros_like(x)
    for tangent, other in zip(tangents, (y, x), strict=False):
        if not isinstance(tangent, SymbolicZero):
            total = total + tangent * other * 7
    return out, {"out": total, "count": SymbolicZero.from_primal_value(out["count"])}


@partial(jax.custom_jvp, nondiff_argnums=(0, 2))
def applied(function: Callable[..., Any], x: jax.Array, power: int) -> jax.Array:
    return function(x) ** power


@applied.defjvp
def _applied_jvp(
    function: Callable[..., Any], power: int, primals: Any, tangents: Any
) -> Any:
    return applied(function, primals[0], power), 5 * tangents[0] * function(primals[0])


@jax.custom_vjp
def scaled(x: jax.Array, count: jax.Array) -> jax.Array:
    return jnp.sin(x) * 2 * count


scaled.defvjp(
    lambda x, count: (scaled(x, count), (jnp.cos(x), count)),
    lambda saved, ct: (ct * saved[0] * 5, None),
)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def clipped(tree: Any, limit: float) -> Any:
    """A pytree through a gradient clip, one leaf of it without a cotangent."""
    return jax.tree.map(lambda leaf: leaf * 1, tree)


def _clipped_backward(limit: float, _: Any, ct: Any) -> Any:
    return ({"a": jnp.clip(ct["a"], -limit, limit), "n": None},)


clipped.defvjp(lambda tree, limit: (clipped(tree, limit), None), _clipped_backward)


@jax.custom_vjp
def symbolic(x: jax.Array, y: jax.Array) -> jax.Array:
    return x * y


symbolic.defvjp(
    lambda x, y: (x.value * y.value, (x.value, y.value)),
    lambda saved, ct: (ct * saved[1] * 2, ct * saved[0] * 3),
    symbolic_zeros=True,
)


def custom_jvp(x: jax.Array) -> Any:
    return tripled(x), jax.nn.relu(x), jax.nn.silu(x)


def custom_jvp_symbolic_zeros(x: jax.Array) -> Any:
    return product(x, jnp.ones(8), jnp.int32(2))["out"] + product(x, x, 3)["out"]


def custom_jvp_nondiff(x: jax.Array) -> Any:
    return applied(jnp.cos, x, 2)


def custom_vjp(x: jax.Array) -> Any:
    return scaled(x, jnp.int32(3))


def custom_vjp_nondiff(x: jax.Array) -> Any:
    return clipped({"a": x * 2, "n": jnp.int32(x)}, 0.5)


def custom_vjp_symbolic_zeros(x: jax.Array) -> Any:
    return symbolic(x, jnp.ones(8))


def custom_vjp_in_loops(x: jax.Array) -> Any:
    """A rule inside scan, inside remat, inside cond."""

    @jax.checkpoint
    def body(carry: jax.Array, row: jax.Array) -> Any:
        return jax.lax.cond(row > 0.5, lambda c: scaled(c, 1), tripled, carry), row

    return jax.lax.scan(body, x, x)


CUSTOM_RULES = {
    function.__name__: function
    for function in (
        custom_jvp,
        custom_jvp_symbolic_zeros,
        custom_jvp_nondiff,
        custom_vjp,
        custom_vjp_nondiff,
        custom_vjp_symbolic_zeros,
        custom_vjp_in_loops,
    )
}
FORWARD_MODE_REFUSED = (
    "custom_vjp",
    "custom_vjp_nondiff",
    "custom_vjp_symbolic_zeros",
    "custom_vjp_in_loops",
)
"""JAX has no forward mode through custom_vjp."""
