"""Small trainings with one fault each, for the check-up to find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from benchmarks.planted_data import DATA, few
from benchmarks.planted_fault import Planted
from benchmarks.planted_steps import STEPS
from benchmarks.small_sequences import LENGTH, Transformer, sequences
from benchmarks.small_trainings import classifier, decayed, digits, regressor, training


class Deep(nn.Module):
    """Twenty layers of sigmoids."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = x.reshape(x.shape[0], -1)
        for _ in range(20):
            x = nn.sigmoid(nn.Dense(32)(x))
        return nn.Dense(10)(x)


class Cut(nn.Module):
    """A classifier whose encoder gets no gradient, or is not used."""

    used: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = x.reshape(x.shape[0], -1)
        y = nn.relu(nn.Dense(32, name="encoder")(x))
        return nn.Dense(10)(jax.lax.stop_gradient(y) if self.used else x)


class Mixing(nn.Module):
    """A convolutional network that reshapes examples into each other."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        y = nn.relu(nn.Conv(8, (3, 3))(x))
        y = jnp.transpose(y, (3, 1, 2, 0)).reshape(x.shape[0], -1)
        return nn.Dense(10)(y)


def _picked_log(probabilities: jax.Array, labels: jax.Array) -> jax.Array:
    return -jnp.log(jnp.take_along_axis(probabilities, labels[:, None], 1)[:, 0])


def _squared(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return (logits - jax.nn.one_hot(labels, 10)) ** 2


def _of_each_class(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return -jax.nn.one_hot(labels, 10) * jax.nn.log_softmax(logits)


def _swapped(each: jax.Array) -> jax.Array:
    return each.mean(1).sum()


def _with_norm(outputs: jax.Array) -> jax.Array:
    blank = jnp.zeros_like(outputs) * outputs
    return outputs + jnp.linalg.norm(blank, axis=1)[:, None]


def _matrices(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Change of all weight matrices of a model's parameters."""

    def changed(params: Any) -> Any:
        return jax.tree.map(
            lambda leaf: change(leaf) if leaf.ndim > 1 else leaf, params
        )

    return changed


STRUCTURE: Mapping[str, Planted] = {
    "21 no activations": Planted(
        lambda seed: classifier(seed, activation=jnp.asarray), ("lint/linear",)
    ),
    "23 two softmaxes": Planted(
        lambda seed: classifier(seed, after=jax.nn.softmax), ("lint/softmax",)
    ),
    "24 logits taken for probabilities": Planted(
        lambda seed: classifier(seed, each=_picked_log),
        ("gradients-and-layers", "initial-loss", "lint/log"),
    ),
    "25 softmax over the batch": Planted(
        lambda seed: classifier(seed, after=lambda x: jax.nn.log_softmax(x, 0)),
        ("independent-examples",),
    ),
    "27 sigmoid below its targets": Planted(
        lambda seed: regressor(seed, after=jax.nn.sigmoid), ("reachable-targets",)
    ),
    "29 squared error of classes": Planted(
        lambda seed: classifier(seed, each=_squared),
        ("reachable-targets",),
        ("squared-error-of-classes",),
    ),
    "30 sum over the batch": Planted(
        lambda seed: classifier(seed, reduce=jnp.sum), ("reduction",)
    ),
    "31 mean over classes, sum over the batch": Planted(
        lambda seed: classifier(seed, each=_of_each_class, reduce=_swapped),
        ("reduction",),
    ),
    "33 log of a softmax": Planted(
        lambda seed: classifier(seed, after=jax.nn.softmax, each=_picked_log),
        ("lint/log",),
    ),
    "34 where around a log": Planted(
        lambda seed: classifier(
            seed,
            after=lambda x: jnp.where(x > 0, jnp.log(jax.nn.relu(x)), 0.0) + x,
        ),
        ("lint/where", "gradients-and-layers"),
    ),
    "35 norm of a row of zeros": Planted(
        lambda seed: classifier(
            seed,
            after=_with_norm,
        ),
        ("lint/root", "gradients-and-layers"),
    ),
    "37 looks ahead by one": Planted(
        lambda seed: sequences(seed, Transformer(ahead=1)), ("time-leakage",)
    ),
    "38 attends to padding": Planted(
        lambda seed: sequences(
            seed, Transformer(ahead=LENGTH, padded=False), declare=()
        ),
        ("padding",),
    ),
    "39 examples reshaped into each other": Planted(
        lambda seed: training(Mixing(), digits(seed), seed), ("independent-examples",)
    ),
    "40 twenty sigmoids": Planted(
        lambda seed: training(Deep(), digits(seed), seed), ("gradients-and-layers",)
    ),
    "42 unused layer": Planted(
        lambda seed: training(Cut(False), digits(seed), seed),
        ("lint/unused", "gradients-and-layers"),
    ),
    "43 encoder without gradient": Planted(
        lambda seed: training(Cut(True), digits(seed), seed),
        ("lint/blocked", "gradients-and-layers"),
    ),
    "45 regulariser of 10": Planted(lambda seed: decayed(seed, 10.0), ("regulariser",)),
    "46 no regulariser, few data": Planted(
        lambda seed: few(classifier(seed), 32), ("overfitting",)
    ),
    "47 constant weights": Planted(
        lambda seed: classifier(seed, change=_matrices(lambda w: 0.1 + 0.0 * w)),
        ("gradients-and-layers",),
    ),
    "50 weights of zero": Planted(
        lambda seed: classifier(seed, change=_matrices(jnp.zeros_like)),
        ("gradients-and-layers",),
    ),
    "81 infinite less infinite": Planted(
        lambda seed: sequences(seed, Transformer(summed=True)),
        ("gradients-and-layers", "initial-loss"),
    ),
}
"""Faults of model, activations, loss and initial weights."""

FAULTS: Mapping[str, Planted] = {**DATA, **STRUCTURE, **STEPS}
"""By the number of notes on faults of trainings, and what was done."""
