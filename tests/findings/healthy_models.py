"""Small models that are healthy although something about them looks odd."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp


class ReluNet(nn.Module):
    """Convolutions on images that are mostly blank."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for width in (16, 32):
            x = nn.relu(nn.Conv(width, (3, 3))(x))
            x = nn.max_pool(x, (2, 2), (2, 2))
        x = nn.relu(nn.Dense(32)(x.reshape(x.shape[0], -1)))
        return nn.Dense(10)(x)


class Fixup(nn.Module):
    """Residual branches and readout that end in zeros, without normalisation."""

    blocks: int = 10

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.Dense(32)(x)
        for index in range(self.blocks):
            y = nn.relu(nn.Dense(32, name=f"in_{index}")(x))
            last = nn.Dense(32, kernel_init=nn.initializers.zeros, name=f"out_{index}")
            x = x + last(y)
        return nn.Dense(10, kernel_init=nn.initializers.zeros, name="readout")(x)


class Block(nn.Module):
    """A pre-norm transformer block; a layer scale if one is given."""

    layer_scale: float | None = None
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        heads, width = 2, x.shape[-1]
        y = nn.LayerNorm(dtype=self.dtype)(x)
        split = (heads, width // heads)
        q, k, v = (
            nn.DenseGeneral(split, dtype=self.dtype, name=name)(y)
            for name in ("query", "key", "value")
        )
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / jnp.sqrt(width / heads)
        scores = jnp.where(mask, scores.astype(jnp.float32), -jnp.inf)
        weights = nn.softmax(scores).astype(v.dtype)
        y = jnp.einsum("bhqk,bkhd->bqhd", weights, v)
        y = nn.DenseGeneral(width, (-2, -1), dtype=self.dtype, name="out")(y)
        x = x + self._scaled("attention_gain", y)
        y = nn.gelu(nn.Dense(2 * width, dtype=self.dtype)(nn.LayerNorm()(x)))
        return x + self._scaled("mlp_gain", nn.Dense(width, dtype=self.dtype)(y))

    def _scaled(self, name: str, y: jax.Array) -> jax.Array:
        if self.layer_scale is None:
            return y
        start = nn.initializers.constant(self.layer_scale)
        return y * self.param(name, start, (y.shape[-1],)).astype(y.dtype)


class Stacked(nn.Module):
    """The block as the body of a scan over layers."""

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array) -> tuple[jax.Array, None]:
        return Block(1e-4, name="block")(x, mask), None


class Transformer(nn.Module):
    """Causal, padded: some keys and some whole sequences are nearly all masked."""

    layers: int = 6
    scanned: bool = False
    dtype: Any = None

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        length = tokens.shape[-1]
        x = nn.Embed(20, 16, name="tokens")(tokens)
        x = x + nn.Embed(length, 16, name="positions")(jnp.arange(length))
        real = (tokens > 0) | (jnp.arange(length) == 0)
        mask = jnp.tril(jnp.ones((length, length), bool)) & real[:, None, None, :]
        if self.scanned:
            body = nn.scan(
                Stacked,
                variable_axes={"params": 0},
                split_rngs={"params": True},
                in_axes=nn.broadcast,
                length=self.layers,
            )
            x, _ = body(name="blocks")(x, mask)
        else:
            for index in range(self.layers):
                x = Block(dtype=self.dtype, name=f"block_{index}")(x, mask)
        return nn.Dense(20, name="logits")(nn.LayerNorm()(x))


class Normalised(nn.Module):
    """Raw values from 0 to 255 into a BatchNorm, then a deep plain network."""

    layers: int = 8

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.BatchNorm(use_running_average=False)(x)
        for _ in range(self.layers):
            x = nn.Dense(24, use_bias=False)(x)
            x = nn.relu(nn.BatchNorm(use_running_average=False)(x))
        return nn.Dense(10)(x)


class Mixture(nn.Module):
    """Sparse experts: each example goes to one of eight."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(nn.Dense(24)(x))
        gates = nn.softmax(nn.Dense(8, name="router")(x))
        chosen = jax.nn.one_hot(jnp.argmax(gates, -1), 8) * gates
        experts = [
            nn.Dense(24, name=f"back_{i}")(nn.relu(nn.Dense(48, name=f"expert_{i}")(x)))
            for i in range(8)
        ]
        mixed = jnp.einsum("be,ebd->bd", chosen, jnp.stack(experts))
        return nn.Dense(10)(x + mixed)


class Autoencoder(nn.Module):
    """A narrow waist between wide ends, tanh throughout."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for width in (128, 64, 16, 4, 16, 64, 128):
            x = nn.tanh(nn.Dense(width)(x))
        return nn.Dense(10)(x)


class Heads(nn.Module):
    """One trunk, seven heads in parallel, of very different importance."""

    names: tuple[str, ...] = tuple(f"head_{i}" for i in range(7))

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.silu(nn.Dense(32)(x))
        outputs = [nn.Dense(10, name=name)(x) for name in self.names]
        gains = jnp.array([1.0, 3e-3, 0.5, 1e-2, 2.0, 0.1, 0.3])
        return jnp.einsum("h,hbc->bc", gains, jnp.stack(outputs))


class Recurrent(nn.Module):
    """A GRU over time with a sigmoid gate behind it."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        outputs = nn.RNN(nn.GRUCell(24))(x)
        last = outputs[:, -1]
        return nn.Dense(10)(last * nn.sigmoid(nn.Dense(24)(last)))


class Plain(nn.Module):
    """Relu layers without normalisation, initialised for it."""

    layers: int = 8

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for _ in range(self.layers):
            x = nn.relu(nn.Dense(32, kernel_init=nn.initializers.he_normal())(x))
        return nn.Dense(10)(x)
