"""Losses with a mistake in a log, root, division or softmax, each with its repair."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from tests.lint.mistake import CE, Planted, W, X


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


def branch_computed_twice(w: Any, x: Any, y: Any) -> Any:
    return jnp.where(x @ w > 0, jnp.sqrt(x @ w), 0.0).mean() + 0 * y.sum()


def safe_branch_computed_twice(w: Any, x: Any, y: Any) -> Any:
    safe = jnp.where(x @ w > 0, x @ w, 1.0)
    return jnp.where(x @ w > 0, jnp.sqrt(safe), 0.0).mean() + 0 * y.sum()


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
    return CE(
        z / jnp.linalg.norm(lax.stop_gradient(z), axis=-1, keepdims=True), y
    ).mean()


def unit_eps(w: Any, x: Any, y: Any) -> Any:
    z = x @ w
    norm = jnp.linalg.norm(lax.stop_gradient(z), axis=-1, keepdims=True)
    return CE(z / jnp.maximum(norm, 1e-6), y).mean()


VALUES: dict[str, Planted] = {
    "softmax before cross entropy": Planted(
        "softmax", "double-softmax", double, logits
    ),
    "sigmoid before cross entropy": Planted(
        "softmax", "double-softmax", double_sigmoid, one_sigmoid
    ),
    "log of probabilities": Planted(
        "log", "unguarded-log", log_of_softmax, log_of_softmax_eps
    ),
    "log of a sigmoid": Planted(
        "log",
        "unguarded-log",
        lambda w, x, y: _binary(w, x, y, lambda p: p),
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
    "where over what is computed twice": Planted(
        "where",
        "where-nan-branch",
        branch_computed_twice,
        safe_branch_computed_twice,
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
}
