"""Small trainings on real data in which nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

import jaxdebug as jd
from benchmarks.small_normalised import normalised
from benchmarks.small_sequences import sequences
from benchmarks.small_trainings import (
    classifier,
    decayed,
    digits,
    frozen,
    regressor,
    stepping,
    taught,
    training,
)


class Convolutions(nn.Module):
    """Two convolutions and a dense layer."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(nn.Conv(8, (3, 3))(x))
        x = nn.relu(nn.Conv(8, (3, 3), strides=2)(x))
        return nn.Dense(10)(x.reshape(x.shape[0], -1))


class Experts(nn.Module):
    """Four experts, of which a gate picks two for each example."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(nn.Dense(32)(x.reshape(x.shape[0], -1)))
        gate = nn.softmax(nn.Dense(4)(x))
        least = jnp.sort(gate, -1)[:, -2:-1]
        gate = jnp.where(gate >= least, gate, 0.0)
        gate = gate / gate.sum(-1, keepdims=True)
        each = [nn.relu(nn.Dense(16)(x)) for _ in range(4)]
        return nn.Dense(10)(jnp.einsum("ne,end->nd", gate, jnp.stack(each)))


def _fine_tuned(seed: int) -> jd.Workload:
    """A classifier that was trained already, with a small learning rate."""
    workload = classifier(seed)
    batches: Any = workload.train
    params = taught(
        workload.loss_fn, workload.params, workload.optimizer, [*batches] * 10
    )
    return replace(workload, params=params, optimizer=optax.adam(1e-6))


def _one_by_one(seed: int) -> jd.Workload:
    """A classifier with a batch for each example."""
    workload = classifier(seed, optimizer=optax.adam(1e-3))

    def apart(batches: Any) -> Any:
        rows = [(x[n : n + 1], y[n : n + 1]) for x, y in batches for n in range(len(x))]
        return rows[:400]

    return replace(workload, train=apart(workload.train), eval=apart(workload.eval))


def _weighted(seed: int) -> jd.Workload:
    """Whether a digit is a three, with the weight that its rarity asks for."""
    workload = classifier(seed)

    def threes(batches: Any) -> Any:
        return [(x, (y == 3).astype(np.int32)) for x, y in batches]

    def weighted(logits: jax.Array, labels: jax.Array) -> jax.Array:
        each = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return each * jnp.where(labels == 1, 5.0, 0.55)

    again = classifier(seed, each=weighted)
    return replace(again, train=threes(workload.train), eval=threes(workload.eval))


HEALTHY: Mapping[str, Callable[[int], jd.Workload]] = {
    "classifier": classifier,
    "regressor": regressor,
    "deep classifier": lambda seed: classifier(seed, activation=nn.gelu),
    "own train step": stepping,
    "weight decay": lambda seed: decayed(seed, 1e-4),
    "SGD with momentum": lambda seed: classifier(
        seed, optimizer=optax.sgd(0.1, momentum=0.9)
    ),
    "warm-up": lambda seed: classifier(
        seed,
        optimizer=optax.adam(optax.warmup_cosine_decay_schedule(0, 3e-3, 1000, 9000)),
    ),
    "accumulated": lambda seed: classifier(
        seed, optimizer=optax.MultiSteps(optax.adam(3e-3), 4)
    ),
    "zero last layer": lambda seed: classifier(
        seed,
        change=lambda params: {
            **params,
            "Dense_2": jax.tree.map(jnp.zeros_like, params["Dense_2"]),
        },
    ),
    "convolutions": lambda seed: training(Convolutions(), digits(seed), seed),
    "experts": lambda seed: training(Experts(), digits(seed), seed),
    "frozen layer": frozen,
    "padded sequences": sequences,
    "batch normalisation and dropout": normalised,
    "pixels of 0 to 255, normalised": lambda seed: normalised(
        seed, first=True, scale=255.0
    ),
    "fine-tuned": _fine_tuned,
    "one by one": _one_by_one,
    "rare class, weighted": _weighted,
    "decoupled decay, clipped first": lambda seed: stepping(
        seed,
        optimizer=optax.chain(
            optax.clip_by_global_norm(1.0), optax.adamw(3e-3, weight_decay=0.1)
        ),
    ),
}
"""Controls of notes on faults of trainings among them."""
