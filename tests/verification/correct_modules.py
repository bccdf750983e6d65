"""Models of Flax Linen, Flax NNX and Equinox, all with right gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from tests.verification.correct_program import Correct, filled

Rng = np.random.Generator
F32, BF16, F16 = jnp.float32, jnp.bfloat16, jnp.float16


def images(rng: Rng, *shape: int) -> np.ndarray:
    """Mostly blank, and in whole levels: many equal maxima."""
    return np.rint(4 * rng.random(shape) * (rng.random(shape) < 0.4)) / 4


def normal(*shape: int) -> Callable[[Rng], np.ndarray]:
    return lambda rng: rng.normal(size=shape)


def linen(model: nn.Module, inputs: Callable[[Rng], Any], **options: Any) -> Correct:
    """Outputs, and what the model changes of its variables, by the parameters."""
    x = inputs(np.random.default_rng(0))
    init = jax.eval_shape(lambda: model.init(jax.random.key(0), x, **options))
    params, rest = init["params"], {k: v for k, v in init.items() if k != "params"}

    def function(params: Any, rest: Any, x: Any) -> Any:
        return model.apply({"params": params, **rest}, x, mutable=[*rest], **options)

    def draw(rng: Rng) -> Any:
        return filled(rng, params), filled(rng, rest), inputs(rng)

    return Correct(function, draw)


class ConvNet(nn.Module):
    """BatchNorm in training, relu and ties in the pool."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.BatchNorm(use_running_average=False)(nn.Conv(4, (3, 3))(x))
        x = nn.max_pool(nn.relu(x), (2, 2), (2, 2))
        return nn.log_softmax(nn.Dense(3)(x.reshape(x.shape[0], -1)))


def conv_net() -> Correct:
    return linen(ConvNet(), lambda rng: images(rng, 4, 6, 6, 1).astype(np.float32))


class Recurrent(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        cells = nn.LSTMCell(5), nn.GRUCell(4), nn.OptimizedLSTMCell(3)
        return [nn.RNN(cell)(x)[:, -1] for cell in cells]


def recurrent() -> Correct:
    return linen(Recurrent(), lambda rng: rng.normal(size=(3, 6, 4)).astype(np.float32))


class Block(nn.Module):
    """A transformer block behind remat, in bfloat16 but for its parameters."""

    dtype: Any = BF16

    @nn.compact
    def __call__(self, tokens: Any) -> Any:
        x = nn.Embed(7, 8, dtype=self.dtype)(tokens)
        y = nn.LayerNorm(dtype=self.dtype)(x)
        attend = nn.MultiHeadDotProductAttention(num_heads=2, dtype=self.dtype)
        x = x + attend(y, mask=nn.make_causal_mask(tokens))
        y = nn.RMSNorm(dtype=self.dtype)(x)
        mixed = nn.Dense(8, dtype=self.dtype)(nn.gelu(nn.Dense(16)(y)))
        return nn.log_softmax(nn.Dense(7)(x + mixed))


class Rematerialised(nn.Module):
    @nn.compact
    def __call__(self, tokens: Any) -> Any:
        return nn.remat(Block)()(tokens)


def transformer() -> Correct:
    return linen(Rematerialised(), lambda rng: rng.integers(0, 7, (2, 5)))


class Normed(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.WeightNorm(nn.Dense(8))(x)
        x = nn.swish(nn.GroupNorm(num_groups=2)(x))
        x = nn.PReLU()(nn.InstanceNorm()(x))
        return nn.ConvTranspose(3, (2,))(x)


def normed() -> Correct:
    return linen(Normed(), lambda rng: rng.normal(size=(2, 5, 4)).astype(np.float32))


class Perceptron(nnx.Module):
    """LayerNorm, dropout with the key it holds, relu on zero biases."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(5, 8, rngs=rngs)
        self.norm = nnx.LayerNorm(8, rngs=rngs)
        self.drop = nnx.Dropout(0.3, rngs=rngs)
        self.last = nnx.Linear(8, 3, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.last(self.drop(nnx.relu(self.norm(self.first(x)))))


class Listener(nnx.Module):
    """Convolution over time, BatchNorm in training, a GRU, attention."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(3, 4, (3,), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.cell = nnx.RNN(nnx.GRUCell(4, 4, rngs=rngs))
        self.attend = nnx.MultiHeadAttention(2, 4, decode=False, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.attend(self.cell(nnx.silu(self.norm(self.conv(x)))))


def stateful(model: nnx.Module, inputs: Callable[[Rng], Any]) -> Correct:
    """A module as it is, with new values at every seed."""
    form, state = nnx.split(model)

    def function(model: Any, x: Any) -> Any:
        return model(x)

    def draw(rng: Rng) -> Any:
        x = np.asarray(inputs(rng), np.float32)
        return nnx.merge(form, filled(rng, state)), x

    return Correct(function, draw)


def perceptron() -> Correct:
    return stateful(Perceptron(nnx.Rngs(0)), normal(6, 5))


def listener() -> Correct:
    return stateful(Listener(nnx.Rngs(0)), normal(2, 6, 3))


class Attentive(eqx.Module):
    """A GRU over time in a scan, then attention and LayerNorm."""

    cell: eqx.nn.GRUCell
    attend: eqx.nn.MultiheadAttention
    norm: eqx.nn.LayerNorm

    def __init__(self, key: Any) -> None:
        self.cell = eqx.nn.GRUCell(3, 4, key=key)
        self.attend = eqx.nn.MultiheadAttention(2, 4, key=key)
        self.norm = eqx.nn.LayerNorm(4)

    def __call__(self, x: Any) -> Any:
        def step(h: Any, row: Any) -> Any:
            h = self.cell(row, h)
            return h, h

        _, hs = jax.lax.scan(step, jnp.zeros(4, x.dtype), x)
        return jax.vmap(self.norm)(self.attend(hs, hs, hs, inference=True))


def largest_of_four(x: Any) -> Any:
    """Equinox's own pool takes float32 alone."""
    return x.reshape(4, 2, 2, 2, 2).max((2, 4))


class Pictures(eqx.Module):
    """In float16: convolution, relu, a pool with ties, GroupNorm."""

    layers: list[Any]

    def __init__(self, key: Any) -> None:
        self.layers = [
            eqx.nn.Conv2d(1, 4, 3, key=key),
            jax.nn.relu,
            largest_of_four,
            eqx.nn.GroupNorm(2, 4),
            lambda x: x.mean((1, 2)),
            eqx.nn.WeightNorm(eqx.nn.Linear(4, 3, key=key)),
        ]

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x


def mapped(
    model: Callable[..., Any], inputs: Callable[[Rng], Any], dtype: Any = F32
) -> Correct:
    """A module for one example, mapped over a batch, in a dtype."""

    def function(model: Any, x: Any) -> Any:
        return jax.vmap(model)(x)

    def draw(rng: Rng) -> Any:
        arrays, rest = eqx.partition(model, eqx.is_inexact_array)
        arrays = jax.tree.map(lambda leaf: leaf.astype(dtype), filled(rng, arrays))
        return eqx.combine(arrays, rest), jnp.asarray(inputs(rng), dtype)

    return Correct(function, draw)


def dense() -> Correct:
    return mapped(eqx.nn.MLP(4, 3, 8, 2, key=jax.random.key(0)), normal(5, 4))


def attentive() -> Correct:
    return mapped(Attentive(jax.random.key(0)), normal(3, 5, 3))


def pictures() -> Correct:
    return mapped(Pictures(jax.random.key(0)), lambda rng: images(rng, 3, 1, 6, 6), F16)


def half_dense() -> Correct:
    model = eqx.nn.MLP(4, 3, 8, 2, jax.nn.gelu, key=jax.random.key(0))
    return mapped(model, normal(5, 4), BF16)


MODULES: dict[str, Callable[[], Correct]] = {
    "Flax Linen conv net in training": conv_net,
    "Flax Linen LSTM and GRU": recurrent,
    "Flax Linen transformer, bfloat16": transformer,
    "Flax Linen weight, group and instance norm": normed,
    "Flax NNX perceptron with dropout": perceptron,
    "Flax NNX conv, batch norm, GRU, attention": listener,
    "Equinox MLP": dense,
    "Equinox MLP, bfloat16": half_dense,
    "Equinox GRU and attention": attentive,
    "Equinox conv net, float16": pictures,
}
