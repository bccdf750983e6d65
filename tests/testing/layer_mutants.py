"""Layers with one mistake each, and right ones beside them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from tests.testing.mutant import (
    DENSE,
    SCALE,
    SEQUENCES,
    mutant,
    right,
)

# What mixes the examples of a batch.


@mutant("rows-independent", SCALE)
def normalised_over_the_batch(p: Any, x: Any) -> Any:
    return (x - x.mean(0)) / jnp.sqrt(x.var(0) + 1e-3) * p["scale"]


@mutant("rows-independent")
def softmax_over_the_batch(x: Any) -> Any:
    return jax.nn.softmax(x, axis=0)


@mutant("rows-independent", DENSE)
def batch_reshaped_away(p: Any, x: Any) -> Any:
    return x.T.reshape(x.shape) @ p["w"]


@mutant("rows-independent", **SEQUENCES)
def attention_over_the_batch(x: Any) -> Any:
    weights = jax.nn.softmax(jnp.einsum("btd,std->tbs", x, x), -1)
    return jnp.einsum("tbs,std->btd", weights, x)


@mutant("rows-independent", DENSE)
def scaled_by_the_largest(p: Any, x: Any) -> Any:
    return (x @ p["w"]) / (1 + jnp.abs(x).max())


@mutant("rows-independent")
def shifted_by_one_row(x: Any) -> Any:
    return x + 0.001 * jnp.roll(x, 1, 0)


@mutant("rows-independent")
def summed_over_the_batch(x: Any) -> Any:
    return x / (1e-3 + jnp.linalg.norm(x))


@mutant("batch-of-one", DENSE)
def squeezed(p: Any, x: Any) -> Any:
    return jnp.squeeze(x @ p["w"])


@mutant("empty-batch")
def of_at_least_one_example(x: Any) -> Any:
    return x - jax.lax.stop_gradient(x[0, 0] * 0)


@mutant("odd-batch")
def halves_of_the_batch(x: Any) -> Any:
    return jnp.concatenate([x[: len(x) // 2], 2 * x[len(x) // 2 :]])


# Dtypes and values.


@mutant("dtype", DENSE)
def widened(p: Any, x: Any) -> Any:
    return x @ p["w"] + jnp.zeros(3, jnp.float32)


@mutant("dtype")
def widened_by_a_constant(x: Any) -> Any:
    return x * jnp.float32(2.0)


@mutant("finite")
def softmax_by_hand(x: Any) -> Any:
    return jnp.exp(x) / jnp.exp(x).sum(-1, keepdims=True)


@mutant("finite")
def root_of_zero(x: Any) -> Any:
    return x / (1 + jnp.sqrt(jnp.sum(x * x, -1, keepdims=True)))


@mutant("finite", SCALE)
def norm_without_epsilon(p: Any, x: Any) -> Any:
    return (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True) * p["scale"]


@mutant("finite")
def log_of_a_sum(x: Any) -> Any:
    return jnp.log(jnp.exp(x).sum(-1))


# Parameters, transformations, symmetries.


@mutant("parameters-reached", DENSE)
def bias_forgotten(p: Any, x: Any) -> Any:
    return x @ p["w"]


@mutant("parameters-reached", DENSE)
def weight_blocked(p: Any, x: Any) -> Any:
    return x @ jax.lax.stop_gradient(p["w"]) + p["b"]


@mutant("jit")
def counts_its_traces(x: Any, calls: list[int] = []) -> Any:  # noqa: B006
    calls.append(1)
    return x * len(calls)


@mutant("vmap")
def knows_its_axes(x: Any) -> Any:
    return x.sum() * 0 + jax.pure_callback(
        lambda x: x / x.ndim, x, x, vmap_method="expand_dims"
    )


@mutant("causal", declare=["causal"], **SEQUENCES)
def sees_the_future(x: Any) -> Any:
    weights = jnp.tril(jnp.ones((5, 5)), 1)
    return jnp.einsum("ts,bsd->btd", weights, x)


@right(declare=["causal"], **SEQUENCES)
def sees_the_past(x: Any) -> Any:
    return jnp.cumsum(x, 1)


@mutant("permutation-equivariant", declare=["permutation-equivariant"], **SEQUENCES)
def knows_positions(x: Any) -> Any:
    return x + 0.01 * jnp.arange(5)[:, None]


@right(declare=["permutation-equivariant"], **SEQUENCES)
def knows_no_positions(x: Any) -> Any:
    return x - x.mean(1, keepdims=True)


@mutant("permutation-invariant", declare=["permutation-invariant"], **SEQUENCES)
def takes_the_last(x: Any) -> Any:
    return x.mean(1) + 0.1 * x[:, -1]
