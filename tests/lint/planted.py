"""Losses with one mistake that can be seen without running them, each with its repair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

RANDOM = np.random.default_rng(1)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


X, Y, CLASSES = normal(6, 5), normal(6), np.arange(6) % 3
W = normal(5, 3)
CE = optax.softmax_cross_entropy_with_integer_labels
Loss = Callable[..., Any]


class Planted(NamedTuple):
    """A mistake.

    Attributes:
        lint: that finds it.
        code: of its finding.
        fault: the loss that has it.
        repair: the loss that has not.
        args: of both; the parameters first.
        where: of the finding, if it is told.
    """

    lint: str
    code: str
    fault: Loss
    repair: Loss
    args: tuple[Any, ...] = (W, X, CLASSES)
    where: str = "(top)"


def _probabilities(w: Any, x: Any) -> Any:
    return jax.nn.softmax(x @ w)


def double(w: Any, x: Any, y: Any) -> Any:
    return CE(_probabilities(w, x), y).mean()


def logits(w: Any, x: Any, y: Any) -> Any:
    return CE(x @ w, y).mean()


def double_sigmoid(w: Any, x: Any, y: Any) -> Any:
    p = nn.sigmoid(x @ w)[:, 0]
    return optax.sigmoid_binary_cross_entropy(p, y > 0).mean()


def one_sigmoid(w: Any, x: Any, y: Any) -> Any:
    return optax.sigmoid_binary_cross_entropy((x @ w)[:, 0], y > 0).mean()


def log_of_softmax(w: Any, x: Any, y: Any) -> Any:
    p = jnp.take_along_axis(_probabilities(w, x), y[:, None], 1)
    return -jnp.log(p).mean()


def log_of_softmax_eps(w: Any, x: Any, y: Any) -> Any:
    p = jnp.take_along_axis(_probabilities(w, x), y[:, None], 1)
    return -jnp.log(p + 1e-9).mean()


def _binary(w: Any, x: Any, y: Any, clip: Any) -> Any:
    p, t = clip(nn.sigmoid(x @ w)[:, 0]), y > 0
    return -(t * jnp.log(p) + (1 - t) * jnp.log(1 - p)).mean()


def _divergence(w: Any, x: Any, eps: float) -> Any:
    p, q = _probabilities(w, x), _probabilities(w[:, ::-1], x)
    return jnp.sum(p * jnp.log((p + eps) / (q + eps)), -1).mean()


def log_of_relu(w: Any, x: Any, y: Any) -> Any:
    return jnp.log(nn.relu(x @ w)).mean() + 0 * y.sum()


def log_of_relu_plus(w: Any, x: Any, y: Any) -> Any:
    return jnp.log1p(nn.relu(x @ w)).mean() + 0 * y.sum()


def branch_of_log(w: Any, x: Any, y: Any) -> Any:
    z = x @ w
    return jnp.where(z > 0, jnp.log(z), 0.0).mean() + 0 * y.sum()


def branch_of_safe_log(w: Any, x: Any, y: Any) -> Any:
    z = x @ w
    safe = jnp.where(z > 0, z, 1.0)
    return jnp.where(z > 0, jnp.log(safe), 0.0).mean() + 0 * y.sum()


def branch_of_norm(w: Any, x: Any, y: Any) -> Any:
    z = x @ w
    norm = jnp.linalg.norm(z, axis=-1, keepdims=True)
    return jnp.where(norm > 0, z / norm, 0.0).mean() + 0 * y.sum()


def branch_of_mean(w: Any, x: Any, count: Any) -> Any:
    total = (x @ w).sum(-1)
    return jnp.where(count > 0, total / count, 0.0).mean()


def branch_of_safe_mean(w: Any, x: Any, count: Any) -> Any:
    total = (x @ w).sum(-1)
    return jnp.where(count > 0, total / jnp.maximum(count, 1), 0.0).mean()


def norms(w: Any, x: Any, y: Any) -> Any:
    return jnp.linalg.norm(x @ w, axis=-1).mean() + 0 * y.sum()


def safe_norms(w: Any, x: Any, y: Any) -> Any:
    return optax.safe_norm(x @ w, 1e-6, axis=-1).mean() + 0 * y.sum()


def distances(w: Any, x: Any, y: Any) -> Any:
    z = x @ w
    return jnp.sqrt(((z[:, None] - z[None]) ** 2).sum(-1)).mean() + 0 * y.sum()


def distances_eps(w: Any, x: Any, y: Any) -> Any:
    z = x @ w
    return jnp.sqrt(((z[:, None] - z[None]) ** 2).sum(-1) + 1e-8).mean() + 0 * y.sum()


def angles(w: Any, x: Any, y: Any) -> Any:
    return jnp.arccos(jnp.clip(x @ w, -1, 1)).mean() + 0 * y.sum()


def safe_angles(w: Any, x: Any, y: Any) -> Any:
    return jnp.arccos(jnp.clip(x @ w, -0.999, 0.999)).mean() + 0 * y.sum()


def _normalised(w: Any, x: Any, eps: float) -> Any:
    z = x @ w
    z = z - z.mean(-1, keepdims=True)
    return (z / jnp.sqrt((z**2).mean(-1, keepdims=True) + eps)).max()


def unit(w: Any, x: Any, y: Any) -> Any:
    z = x @ w
    return CE(z / jnp.linalg.norm(lax.stop_gradient(z), axis=-1, keepdims=True), y).mean()


def unit_eps(w: Any, x: Any, y: Any) -> Any:
    z = x @ w
    norm = jnp.linalg.norm(lax.stop_gradient(z), axis=-1, keepdims=True)
    return CE(z / jnp.maximum(norm, 1e-6), y).mean()


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
        logits = model.apply({"params": params}, x, rngs={"dropout": key})
        return CE(logits, y).mean()

    return loss


def _identity(x: Any) -> Any:
    return x


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
    "softmax before cross entropy": Planted("softmax", "double-softmax", double, logits),
    "sigmoid before cross entropy": Planted(
        "softmax", "double-softmax", double_sigmoid, one_sigmoid
    ),
    "log of probabilities": Planted(
        "log", "unguarded-log", log_of_softmax, log_of_softmax_eps
    ),
    "log of a sigmoid": Planted(
        "log",
        "unguarded-log",
        lambda w, x, y: _binary(w, x, y, _identity),
        lambda w, x, y: _binary(w, x, y, lambda p: jnp.clip(p, 1e-7, 1 - 1e-7)),
    ),
    "eps that rounds to nothing": Planted(
        "log",
        "unguarded-log",
        lambda w, x, y: _binary(w, x, y, lambda p: jnp.clip(p, 1e-9, 1 - 1e-9)),
        lambda w, x, y: _binary(w, x, y, lambda p: 0.999 * p + 5e-4),
    ),
    "divergence of softmaxes": Planted(
        "division",
        "unguarded-division",
        lambda w, x, y: _divergence(w, x, 0.0),
        lambda w, x, y: _divergence(w, x, 1e-6),
    ),
    "log of relu": Planted("log", "unguarded-log", log_of_relu, log_of_relu_plus),
    "where over log": Planted(
        "where", "where-nan-branch", branch_of_log, branch_of_safe_log
    ),
    "where over norm": Planted("where", "where-nan-branch", branch_of_norm, safe_norms),
    "where over mean": Planted(
        "where",
        "where-nan-branch",
        branch_of_mean,
        branch_of_safe_mean,
        (W, X, np.arange(6)),
    ),
    "norm": Planted("root", "unguarded-root", norms, safe_norms),
    "distances": Planted("root", "unguarded-root", distances, distances_eps),
    "angles": Planted("root", "unguarded-root", angles, safe_angles),
    "standard deviation": Planted(
        "division",
        "unguarded-division",
        lambda w, x, y: _normalised(w, x, 0.0),
        lambda w, x, y: _normalised(w, x, 1e-5),
    ),
    "unit vectors": Planted("division", "unguarded-division", unit, unit_eps),
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
        lambda p, x, y: _two_layers(p, x, y, lambda h: h + lax.stop_gradient(jnp.round(h) - h)),
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
        "narrowing", "narrowing-cast", _angles(jnp.bfloat16), _angles(jnp.float32), (W, X)
    ),
    "mask beyond float16": Planted(
        "narrowing", "narrowing-cast", _half(-1e9), _half(-1e4), (W, X)
    ),
}
