"""Graphs, and what their nodes are."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax
from flax import linen as nn

import jaxdebug as jd
from benchmarks.small_trainings import cross_entropy

NODES = 200


class Convolutions(nn.Module):
    """Two graph convolutions with dropout between."""

    @nn.compact
    def __call__(self, x: jax.Array, edges: jax.Array, train: bool) -> jax.Array:
        x = nn.relu(edges @ nn.Dense(32)(x))
        x = nn.Dropout(0.5, deterministic=not train)(x)
        return edges @ nn.Dense(4)(x)


def graph_convolutions(seed: int) -> jd.Workload:
    """Linen; one graph is the batch, its first axis; some of its nodes have labels."""
    random = np.random.default_rng(seed)
    labels = random.integers(4, size=NODES)
    alike = np.where(labels[:, None] == labels, 0.08, 0.008)
    upper = np.triu(random.random((NODES, NODES)) < alike, 1)
    edges = upper + upper.T + np.eye(NODES)
    degree = edges.sum(1)
    edges = edges / np.sqrt(degree[:, None] * degree)
    x = 0.5 * random.normal(size=(4, 16))[labels] + random.normal(size=(NODES, 16))
    known = random.permutation(NODES) < 80

    def graph(counted: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "x": x.astype(np.float32)[None],
            "edges": edges.astype(np.float32)[None],
            "label": labels.astype(np.int32)[None],
            "counted": counted[None],
        }

    model, batch = Convolutions(), graph(known)

    def mean(logits: Any, batch: Any) -> jax.Array:
        each = cross_entropy(logits, batch["label"])
        return (each * batch["counted"]).sum() / batch["counted"].sum()

    def loss(params: Any, batch: Any, key: jax.Array) -> jax.Array:
        rngs = {"dropout": key}
        logits = model.apply(params, batch["x"], batch["edges"], True, rngs=rngs)
        return mean(logits, batch)

    def predict(params: Any, batch: Any, key: jax.Array) -> Any:
        return model.apply(params, batch["x"], batch["edges"], False)

    return jd.Workload(
        loss_fn=loss,
        params=model.init(jax.random.key(seed), batch["x"], batch["edges"], False),
        train=[batch],
        eval=[graph(~known)],
        extra=(jax.random.key(seed + 1),),
        eval_loss_fn=lambda params, batch, key: mean(
            predict(params, batch, key), batch
        ),
        predict_fn=predict,
        inputs="x",
        targets="label",
        optimizer=optax.chain(optax.add_decayed_weights(5e-3), optax.adam(1e-2)),
    )
