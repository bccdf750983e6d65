"""Small trainings with one fault each, for the check-up to find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

import jaxdebug as jd
from benchmarks.small_trainings import (
    classifier,
    decayed,
    digits,
    regressor,
    stepping,
    training,
)


class Planted(NamedTuple):
    """A training with a fault.

    Attributes:
        make: it, from a seed.
        checks: of which one must warn or fail.
    """

    make: Callable[[int], jd.Workload]
    checks: tuple[str, ...]


def _with_inputs(workload: jd.Workload, change: Callable[[Any], Any]) -> jd.Workload:
    batches: Any = workload.train
    return replace(workload, train=[(change(x), y) for x, y in batches])


def _shuffled(seed: int) -> jd.Workload:
    workload = classifier(seed)
    random = np.random.default_rng(seed + 1)

    def mixed(batches: Any) -> Any:
        labels = random.permutation(np.concatenate([y for _, y in batches]))
        parts = np.split(labels, len(batches))
        return [(x, y) for (x, _), y in zip(batches, parts, strict=True)]

    return replace(workload, train=mixed(workload.train), eval=mixed(workload.eval))


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


FAULTS: dict[str, Planted] = {
    "1 inputs from 0 to 255": Planted(
        lambda seed: _with_inputs(classifier(seed), lambda x: 255 * x),
        ("initial-loss", "data/scale"),
    ),
    "3 targets not scaled": Planted(
        lambda seed: regressor(seed, scaled=False), ("initial-loss",)
    ),
    "4 targets shuffled": Planted(_shuffled, ("related-targets",)),
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
    "30 sum over the batch": Planted(
        lambda seed: classifier(seed, reduce=jnp.sum), ("reduction",)
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
    "47 constant weights": Planted(
        lambda seed: classifier(seed, change=_matrices(lambda w: 0.1 + 0.0 * w)),
        ("gradients-and-layers",),
    ),
    "50 weights of zero": Planted(
        lambda seed: classifier(seed, change=_matrices(jnp.zeros_like)),
        ("gradients-and-layers",),
    ),
    "52 learning rate times 1000": Planted(
        lambda seed: classifier(seed, optimizer=optax.adam(3.0)),
        ("step-size", "loss-falls"),
    ),
    "53 learning rate times 0.0001": Planted(
        lambda seed: classifier(seed, optimizer=optax.adam(3e-7)), ("step-size",)
    ),
    "54 learning rate of 0": Planted(
        lambda seed: classifier(seed, optimizer=optax.adam(0.0)), ("loss-falls",)
    ),
    "59 updates not applied": Planted(
        lambda seed: stepping(seed, apply=False), ("train-step",)
    ),
}
"""By the number of notes on faults of trainings, and what was done."""
