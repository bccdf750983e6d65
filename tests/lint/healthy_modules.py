"""Healthy Flax networks and their loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

KEY = jax.random.key(0)
RANDOM = np.random.default_rng(2)
ROWS = RANDOM.standard_normal((6, 5)).astype(np.float32)
IMAGES = RANDOM.standard_normal((6, 8, 8, 3)).astype(np.float32)
TOKENS = np.arange(24).reshape(6, 4) % 7
CLASSES = np.arange(6) % 3


def of_linen(
    model: nn.Module, x: Any, y: Any, **rngs: Any
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Cross entropy of a Linen classifier."""
    params = jax.eval_shape(model.init, {"params": KEY, **rngs}, x)["params"]

    def loss(params: Any, x: Any, y: Any, rngs: Any) -> Any:
        logits: Any = model.apply({"params": params}, x, rngs=rngs)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    return loss, (params, x, y, rngs)


class Block(nn.Module):
    """A pre-norm transformer block with rotary positions."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        mask = nn.make_causal_mask(x[..., 0])
        h = nn.LayerNorm()(x)
        q, k, v = (nn.DenseGeneral((2, 4), name=n)(h) for n in "qkv")
        angle = jnp.arange(x.shape[1])[:, None] / 10_000 ** (jnp.arange(2) / 2)
        q, k = rotated(q, angle), rotated(k, angle)
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / jnp.sqrt(q.shape[-1])
        scores = jnp.where(mask, scores, jnp.finfo(scores.dtype).min)
        h = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), v)
        x = x + nn.DenseGeneral(8, axis=(-2, -1))(h)
        h = nn.gelu(nn.Dense(16)(nn.RMSNorm()(x)))
        return x + nn.Dense(8)(nn.Dropout(0.1, deterministic=False)(h))


def rotated(x: Any, angle: Any) -> Any:
    a, b = jnp.split(x, 2, axis=-1)
    cos, sin = jnp.cos(angle)[:, None], jnp.sin(angle)[:, None]
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)


class Transformer(nn.Module):
    @nn.compact
    def __call__(self, tokens: Any) -> Any:
        embed = nn.Embed(7, 8)
        x = embed(tokens) + self.param("pos", nn.initializers.normal(), (4, 8))
        for _ in range(2):
            x = nn.remat(Block)()(x)
        return embed.attend(nn.LayerNorm()(x))


class PatchTransformer(nn.Module):
    """Patches, a class token, attention after the norm of the first layer."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.Conv(8, (4, 4), strides=(4, 4))(x)
        x = x.reshape(x.shape[0], -1, x.shape[-1])
        token = self.param("token", nn.initializers.zeros, (1, 1, 8))
        x = jnp.concatenate([jnp.tile(token, (x.shape[0], 1, 1)), x], axis=1)
        x = nn.LayerNorm()(x + nn.MultiHeadDotProductAttention(2)(x, x))
        return nn.Dense(3)(x[:, 0])


class Residual(nn.Module):
    """A residual network with inverted bottlenecks and squeeze-and-excitation."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.relu(nn.GroupNorm(1)(nn.Conv(4, (3, 3))(x)))
        for _ in range(2):
            h = nn.relu6(nn.Conv(8, (1, 1))(x))
            h = nn.relu6(nn.Conv(8, (3, 3), feature_group_count=8)(h))
            gate = nn.sigmoid(nn.Dense(8)(nn.relu(nn.Dense(2)(h.mean((1, 2))))))
            x = x + nn.Conv(4, (1, 1))(h * gate[:, None, None])
        x = nn.max_pool(x, (2, 2), (2, 2))
        return nn.Dense(3)(nn.relu(nn.Dense(8)(x.reshape(x.shape[0], -1))))


class Recurrent(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        h = nn.RNN(nn.OptimizedLSTMCell(8))(nn.Dense(8)(x[..., None]))
        scores = nn.Dense(1)(jnp.tanh(nn.Dense(4)(h)))[..., 0]
        return nn.Dense(3)(jnp.einsum("bt,btd->bd", nn.softmax(scores), h))


MODULES: dict[str, Callable[[], tuple[Callable[..., Any], tuple[Any, ...]]]] = {
    "transformer": lambda: of_linen(Transformer(), TOKENS, TOKENS, dropout=KEY),
    "patches": lambda: of_linen(PatchTransformer(), IMAGES, CLASSES),
    "residual": lambda: of_linen(Residual(), IMAGES, CLASSES),
    "recurrent": lambda: of_linen(Recurrent(), ROWS, CLASSES),
}
