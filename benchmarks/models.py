"""The three models that overheads are measured on."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn


class BenchModel(NamedTuple):
    """A model with its loss and a train step `(state, batch) -> (state, metrics)`."""

    name: str
    train_step: Callable[..., Any]
    state: Any
    batch: Any
    loss_fn: Callable[..., jax.Array]
    params: Any


class MLP(nn.Module):
    """784-1024-512-256-10: 1.46 M parameters."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for width in (1024, 512, 256):
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(10)(x)


class CNN(nn.Module):
    """Two convolutions and two dense layers on 8 x 8 images: 38 282 parameters."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(nn.Conv(16, (3, 3))(x))
        x = nn.relu(nn.Conv(32, (3, 3))(x))
        x = nn.avg_pool(x, (2, 2), strides=(2, 2))
        x = nn.relu(nn.Dense(64)(x.reshape(x.shape[0], -1)))
        return nn.Dense(10)(x)


class Transformer(nn.Module):
    """Four pre-norm causal blocks of width 128: about 0.9 M parameters."""

    vocabulary: int = 256
    width: int = 128
    layers: int = 4

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        positions = jnp.arange(tokens.shape[-1])
        x = nn.Embed(self.vocabulary, self.width)(tokens)
        x = x + nn.Embed(tokens.shape[-1], self.width)(positions)
        mask = nn.make_causal_mask(tokens)
        for _ in range(self.layers):
            y = nn.LayerNorm()(x)
            x = x + nn.MultiHeadDotProductAttention(num_heads=4)(y, mask=mask)
            y = nn.gelu(nn.Dense(4 * self.width)(nn.LayerNorm()(x)))
            x = x + nn.Dense(self.width)(y)
        return nn.Dense(self.vocabulary)(nn.LayerNorm()(x))


def _classifier(
    name: str, model: nn.Module, inputs: np.ndarray, labels: np.ndarray
) -> BenchModel:
    """Train a model with Adam on the cross entropy of its labels."""
    optimizer = optax.adam(1e-3)
    params = jax.jit(model.init)(jax.random.key(0), inputs)["params"]
    batch = {"inputs": jnp.asarray(inputs), "labels": jnp.asarray(labels)}

    def loss_fn(params: Any, batch: Any) -> jax.Array:
        logits: Any = model.apply({"params": params}, batch["inputs"])
        return optax.softmax_cross_entropy_with_integer_labels(
            logits, batch["labels"]
        ).mean()

    def train_step(state: Any, batch: Any) -> tuple[Any, Any]:
        params, opt_state = state
        loss, grads = jax.value_and_grad(loss_fn)(params, batch)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), {"loss": loss}

    state = (params, optimizer.init(params))
    return BenchModel(name, train_step, state, batch, loss_fn, params)


def mlp() -> BenchModel:
    """Return the MLP with a batch of 512."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(512, 784)).astype(np.float32)
    return _classifier("mlp", MLP(), inputs, rng.integers(10, size=512))


def cnn() -> BenchModel:
    """Return the convolutional network with a batch of 64."""
    rng = np.random.default_rng(0)
    inputs = rng.uniform(size=(64, 8, 8, 1)).astype(np.float32)
    return _classifier("cnn", CNN(), inputs, rng.integers(10, size=64))


def transformer() -> BenchModel:
    """Return the transformer with 16 rows of 64 tokens."""
    tokens = np.random.default_rng(0).integers(256, size=(16, 65), dtype=np.int32)
    return _classifier("transformer", Transformer(), tokens[:, :-1], tokens[:, 1:])


MODELS: dict[str, Callable[[], BenchModel]] = {
    "mlp": mlp,
    "cnn": cnn,
    "transformer": transformer,
}
