"""Losses with a mistake in their structure, each with its repair; and all of them."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from tests.lint.mistake import CE, CLASSES, Loss, Planted, W, X, Y, normal
from tests.lint.planted_values import VALUES


def _identity(x: Any) -> Any:
    return x


def _two_layers(p: Any, x: Any, y: Any, between: Any) -> Any:
    hidden = between(nn.tanh(x @ p["encoder"]["w"] + p["encoder"]["b"]))
    return CE(hidden @ p["head"], y).mean()


def unused_layer(p: Any, x: Any, y: Any) -> Any:
    nn.tanh(x @ p["encoder"]["w"] + p["encoder"]["b"])
    return CE(x[:, :4] @ p["head"], y).mean()


ENCODER = {"encoder": {"w": normal(5, 4), "b": normal(4)}, "head": normal(4, 3)}


class Network(nn.Module):
    """A multi-layer perceptron, with an activation or without."""

    activation: Any = staticmethod(nn.relu)

    @nn.compact
    def __call__(self, x: Any) -> Any:
        for _ in range(2):
            x = self.activation(nn.Dense(8)(x))
            x = nn.Dropout(0.3, deterministic=False)(x)
        return nn.Dense(3)(x)


def _network(model: nn.Module) -> Loss:
    def loss(params: Any, x: Any, y: Any, key: Any) -> Any:
        logits: Any = model.apply({"params": params}, x, rngs={"dropout": key})
        return CE(logits, y).mean()

    return loss


KEY = jax.random.key(0)
PARAMS = jax.eval_shape(Network().init, {"params": KEY, "dropout": KEY}, X)["params"]

SEQUENCES = normal(4, 6, 5)


def _over_time(move: Any) -> Loss:
    def loss(w: Any, x: Any, y: Any) -> Any:
        return CE(move(x).mean(0) @ w, y).mean()

    return loss


def _weighted(axis: int) -> Loss:
    def loss(w: Any, x: Any, y: Any) -> Any:
        p = jax.nn.softmax(x @ w, axis=axis)
        return -jnp.log(jnp.take_along_axis(p, y[:, None], 1) + 1e-6).mean()

    return loss


def _squared(take: Any) -> Loss:
    def loss(w: Any, x: Any, y: Any) -> Any:
        return jnp.mean((take(jnp.tanh(x @ w + 1)) - y) ** 2)

    return loss


def _positions(count: int) -> Loss:
    def loss(table: Any, x: Any) -> Any:
        return jnp.mean((x + table[jnp.arange(count)]) ** 2)

    return loss


def _angles(dtype: Any) -> Loss:
    def loss(w: Any, x: Any) -> Any:
        angle = jnp.arange(600).astype(dtype) / 100
        return jnp.mean(jnp.sin(angle).astype(jnp.float32) * w.sum()) + x.sum()

    return loss


def _half(number: float) -> Loss:
    def loss(w: Any, x: Any) -> Any:
        scores = (x @ w).astype(jnp.float16)
        scores = jnp.where(x[:, :1] > 0, scores, number)
        return jax.nn.softmax(scores).max().astype(jnp.float32)

    return loss


PLANTED: dict[str, Planted] = {
    **VALUES,
    "unused layer": Planted(
        "unused",
        "severed-parameter",
        unused_layer,
        lambda p, x, y: _two_layers(p, x, y, _identity),
        (ENCODER, X, CLASSES),
        "encoder",
    ),
    "stopped encoder": Planted(
        "blocked",
        "severed-parameter",
        lambda p, x, y: _two_layers(p, x, y, lax.stop_gradient),
        lambda p, x, y: _two_layers(p, x, y, _identity),
        (ENCODER, X, CLASSES),
        "encoder",
    ),
    "rounded encoder": Planted(
        "blocked",
        "severed-parameter",
        lambda p, x, y: _two_layers(p, x, y, jnp.round),
        lambda p, x, y: _two_layers(
            p, x, y, lambda h: h + lax.stop_gradient(jnp.round(h) - h)
        ),
        (ENCODER, X, CLASSES),
        "encoder",
    ),
    "no activations": Planted(
        "linear",
        "linear-stack",
        _network(Network(_identity)),
        _network(Network()),
        (PARAMS, X, CLASSES, KEY),
        "Network/Dense_1",
    ),
    "reshape in place of a transpose": Planted(
        "batch",
        "batch-mixing",
        _over_time(lambda x: x.reshape(6, 4, 5)),
        _over_time(lambda x: jnp.swapaxes(x, 0, 1)),
        (W, SEQUENCES, CLASSES[:4]),
    ),
    "flattened together": Planted(
        "batch",
        "batch-mixing",
        _over_time(lambda x: x.reshape(30, 4).T.reshape(4, 6, 5).swapaxes(0, 1)),
        _over_time(lambda x: x.reshape(-1, 5).reshape(4, 6, 5).swapaxes(0, 1)),
        (W, SEQUENCES, CLASSES[:4]),
    ),
    "softmax over the batch": Planted(
        "batch", "batch-mixing", _weighted(0), _weighted(-1)
    ),
    "predictions by targets": Planted(
        "broadcast",
        "accidental-broadcast",
        _squared(_identity),
        _squared(lambda z: z[:, 0]),
        (W[:, :1], X, Y),
    ),
    "position beyond the table": Planted(
        "index", "clamped-index", _positions(6), _positions(4), (normal(4), X[:, :1])
    ),
    "positions in bfloat16": Planted(
        "narrowing",
        "narrowing-cast",
        _angles(jnp.bfloat16),
        _angles(jnp.float32),
        (W, X),
    ),
    "mask beyond float16": Planted(
        "narrowing", "narrowing-cast", _half(-1e9), _half(-1e4), (W, X)
    ),
}
