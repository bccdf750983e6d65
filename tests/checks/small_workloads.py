"""A small classifier on blobs, and what can be wrong with its training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxdebug as jd
from jaxdebug.checks.outcome import Outcome

CLASSES, FEATURES, ROWS, BATCHES = 3, 4, 16, 24


def blobs(seed: int = 0, noise: float = 0.5) -> list[tuple[np.ndarray, np.ndarray]]:
    """Batches of points around one centre a class, and their classes."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(CLASSES, FEATURES))
    labels = random.integers(CLASSES, size=(BATCHES, ROWS)).astype(np.int32)
    drawn = random.normal(size=(BATCHES, ROWS, FEATURES))
    points = (centres[labels] + noise * drawn).astype(np.float32)
    return list(zip(points, labels, strict=True))


def parameters(seed: int = 0, width: int = 8) -> dict[str, np.ndarray]:
    """Of two dense layers."""
    random = np.random.default_rng(seed)
    first = random.normal(size=(FEATURES, width)) / FEATURES**0.5
    second = random.normal(size=(width, CLASSES)) / width**0.5
    return {
        "w": first.astype(np.float32),
        "b": np.zeros(width, np.float32),
        "v": second.astype(np.float32),
    }


def predict(params: Any, batch: Any) -> jax.Array:
    """Logits."""
    return jax.nn.relu(batch[0] @ params["w"] + params["b"]) @ params["v"]


def loss_fn(params: Any, batch: Any) -> jax.Array:
    """Mean cross entropy."""
    return optax.softmax_cross_entropy_with_integer_labels(
        predict(params, batch), batch[1]
    ).mean()


def classifier(seed: int = 0, **changed: Any) -> jd.Workload:
    """A training in which nothing is wrong."""
    train = blobs(seed)
    workload = jd.Workload(
        loss_fn=loss_fn,
        params=parameters(seed),
        train=train,
        eval=blobs(seed + 1000)[:8],
        optimizer=optax.adam(3e-2),
        predict_fn=predict,
        name="blobs",
    )
    return replace(workload, **changed)


def shuffled(seed: int = 0) -> jd.Workload:
    """Targets that do not belong to their inputs."""
    random = np.random.default_rng(seed + 5)

    def mixed(batches: Any) -> Any:
        return [(x, random.permutation(y)) for x, y in batches]

    return classifier(seed, train=mixed(blobs(seed)), eval=mixed(blobs(seed + 1000)))


def deaf(seed: int = 0) -> jd.Workload:
    """A loss in which the inputs do not occur."""

    def loss(params: Any, batch: Any) -> jax.Array:
        return loss_fn(params, (jnp.ones_like(batch[0]), batch[1]))

    return classifier(seed, loss_fn=loss)


def codes(outcome: Outcome) -> list[str]:
    """Of the findings of a check."""
    return [finding.code for finding in outcome.findings]
