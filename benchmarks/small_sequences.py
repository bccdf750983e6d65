"""A small transformer on sequences of several lengths."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

import jaxdebug as jd

TOKENS, LENGTH, ROWS, BATCHES, WIDTH = 8, 10, 16, 60, 16


def sums(seed: int) -> list[dict[str, np.ndarray]]:
    """Batches of tokens; the target at a position is the sum of the last two."""
    random = np.random.default_rng(seed)
    inputs = random.integers(TOKENS, size=(BATCHES, ROWS, LENGTH)).astype(np.int32)
    before = np.concatenate([np.zeros_like(inputs[..., :1]), inputs[..., :-1]], -1)
    lengths = random.integers(LENGTH // 2, LENGTH + 1, size=(BATCHES, ROWS, 1))
    mask = np.arange(LENGTH) < lengths
    targets = ((inputs + before) % TOKENS).astype(np.int32)
    return [
        {"tokens": x * m, "targets": y * m, "mask": m}
        for x, y, m in zip(inputs, targets, mask, strict=True)
    ]


class Attention(nn.Module):
    """One head; what it may not see has the score -inf."""

    @nn.compact
    def __call__(self, x: jax.Array, seen: jax.Array, summed: bool) -> jax.Array:
        q, k, v = [nn.Dense(WIDTH, name=name)(x) for name in "qkv"]
        scores = q @ jnp.swapaxes(k, -1, -2) / WIDTH**0.5
        if summed:  # a bias for each reason, one less the other where both are -inf
            bias = jnp.where(seen, 0.0, -jnp.inf)
            scores = scores + bias - jnp.min(bias, -1, keepdims=True)
        return nn.softmax(jnp.where(seen, scores, -jnp.inf)) @ v


class Transformer(nn.Module):
    """One block that looks back."""

    ahead: int = 0
    padded: bool = True
    summed: bool = False

    @nn.compact
    def __call__(self, tokens: jax.Array, mask: jax.Array) -> jax.Array:
        places = jnp.arange(LENGTH)
        seen = places[None, :] <= places[:, None] + self.ahead
        seen = seen & (mask[:, None, :] if self.padded else True)
        x = nn.Embed(TOKENS, WIDTH)(tokens) + nn.Embed(LENGTH, WIDTH)(places)
        x = x + Attention()(nn.LayerNorm()(x), seen, self.summed)
        y = nn.gelu(nn.Dense(4 * WIDTH)(nn.LayerNorm()(x)))
        x = x + nn.Dense(WIDTH)(y)
        return nn.Dense(TOKENS)(nn.LayerNorm()(x))


def sequences(
    seed: int, model: nn.Module | None = None, masked: bool = True, **changed: Any
) -> jd.Workload:
    """A workload of a transformer.

    Args:
        seed: of data and parameters.
        model: of tokens and mask.
        masked: whether padding is left out of the loss.
        changed: fields of the workload.
    """
    model, batches = model or Transformer(), sums(seed)
    first = batches[0]
    params = model.init(jax.random.key(seed), first["tokens"], first["mask"])["params"]

    def predict(params: Any, batch: Any) -> Any:
        return model.apply({"params": params}, batch["tokens"], batch["mask"])

    def loss(params: Any, batch: Any) -> jax.Array:
        each = optax.softmax_cross_entropy_with_integer_labels(
            predict(params, batch), batch["targets"]
        )
        return jnp.mean(each, where=batch["mask"]) if masked else jnp.mean(each)

    workload = jd.Workload(
        loss_fn=loss,
        params=params,
        train=batches[: BATCHES * 3 // 4],
        eval=batches[BATCHES * 3 // 4 :],
        predict_fn=predict,
        inputs="tokens",
        targets="targets",
        mask="mask",
        declare=("causal",),
        optimizer=optax.adam(1e-2),
    )
    return replace(workload, **changed)
