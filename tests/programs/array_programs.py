"""Shards, solvers, effects and kinds of values, for the identity grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P


def mesh(*shape: int) -> jax.sharding.Mesh:
    names = ("d", "e")[: len(shape)]
    return jax.make_mesh(shape, names, axis_types=(AxisType.Auto,) * len(shape))


# Shards


def shard_mapped(check_vma: bool) -> Callable[[jax.Array], Any]:
    def body(x: jax.Array, w: jax.Array) -> Any:
        everyone = lax.all_gather(x, "d", tiled=True)
        moved = lax.ppermute(x, "d", [(i, (i + 1) % 8) for i in range(8)])
        return lax.psum(jnp.sin(x) * w, "d"), moved * 2, everyone * x

    def function(x: jax.Array) -> Any:
        return jax.shard_map(
            body,
            mesh=mesh(8),
            in_specs=(P("d"), P()),
            out_specs=(P(), P("d"), P("d")),
            check_vma=check_vma,
        )(x, jnp.float32(2))

    return function


def shard_map_partial(x: jax.Array) -> Any:
    """Manual over one axis of the mesh, the other is left to the compiler."""

    def body(x: jax.Array) -> Any:
        return lax.psum(x * 2, "d"), jnp.sin(x)

    mapped = jax.shard_map(
        body,
        mesh=mesh(4, 2),
        in_specs=P("d"),
        out_specs=(P(), P("d")),
        axis_names={"d"},
    )
    # JAX runs a partly manual shard_map only inside jit.
    return jax.jit(mapped)(x)


# Solvers


def solve(x: jax.Array) -> Any:
    return jnp.linalg.solve(jnp.eye(8) + jnp.outer(x, x) * 0.1, x)


def conjugate_gradient(x: jax.Array) -> Any:
    def operator(v: Any) -> Any:
        return {"a": v["a"] * (2 + x), "b": v["b"] * 3}

    right = {"a": x, "b": x[:2]}
    return jax.scipy.sparse.linalg.cg(operator, right, maxiter=3)[0]


def root(x: jax.Array) -> Any:
    def newton(f: Any, y: jax.Array) -> jax.Array:
        return lax.fori_loop(0, 5, lambda i, z: z - f(z) / (3 * z**2), y)

    return lax.custom_root(
        lambda y: y**3 - x, x, newton, lambda g, y: y / g(jnp.ones_like(y))
    )


# Effects


def pure_callback(x: jax.Array) -> Any:
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    double = jax.pure_callback(
        lambda x: np.asarray(x) * 2, shape, x, vmap_method="expand_dims"
    )
    return double + x


def io_callback(x: jax.Array) -> Any:
    shape = jax.ShapeDtypeStruct((), np.float32)
    first = jax.experimental.io_callback(np.max, shape, x, ordered=True)
    return first + jax.experimental.io_callback(np.min, shape, x + 1, ordered=True)


def debug_callback(x: jax.Array) -> Any:
    jax.debug.callback(lambda x: None, x, ordered=True)
    with jax.named_scope("after"):
        jax.debug.callback(lambda x: None, x * 2, ordered=True)
    return jnp.sin(x)


def mutable_arrays(x: jax.Array) -> Any:
    ref = jax.new_ref(x)
    ref[0] += 3.0
    lax.fori_loop(0, 3, lambda i, _: ref.__setitem__(i, ref[i] * 2), None)
    return ref[...]


# Kinds of values


def random_keys(key: jax.Array) -> Any:
    first, second = jax.random.split(key)
    noise = jax.random.normal(first, (3,))
    return (
        second,
        noise,
        lax.scan(
            lambda k, _: (jax.random.fold_in(k, 1), jax.random.uniform(k)),
            key,
            length=3,
        ),
    )


def no_results(x: jax.Array) -> Any:
    return ()


def empty_and_constant(x: jax.Array) -> Any:
    return jnp.zeros((0, 3)), x[:0] * 2, np.float32(3), jnp.arange(3), x


def kinds(x: jax.Array) -> Any:
    """Integer, boolean, complex, narrow and weakly typed results."""
    y = lax.complex(x, -x)
    return {
        "int": jnp.int8(x * 10),
        "bool": x > 0.5,
        "complex": jnp.sin(y),
        "narrow": x.astype(jnp.bfloat16) * 2,
        "weak": jnp.sum(x) * 0 + 1,
        "sorted": jnp.sort(-x),
        "size": jnp.abs(y),
    }


def scatter_and_windows(x: jax.Array) -> Any:
    pooled = lax.reduce_window(x, -np.inf, lax.max, (2,), (1,), "VALID")
    return x.at[np.array([1, 2, 1])].add(2.0), pooled, jnp.cumsum(x)
