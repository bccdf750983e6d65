"""Equinox and Haiku layers: each under its own path, against the code itself.

All `eqx.nn.Linear` share one scope: what tells them apart is their parameters.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

from jaxdebug.frameworks.modules import shared_scopes
from tests.modules.layer_arrays import Arrays, Tap, check_same, seen, told

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 3)).astype(np.float32)


def seen_in(loss: Any, model: Any, *batch: Any) -> tuple[Arrays, dict[str, str]]:
    params, static = eqx.partition(model, eqx.is_inexact_array)

    def combined(params: Any, *batch: Any) -> Any:
        return loss(eqx.combine(params, static), *batch)

    return seen(jax.value_and_grad(combined), params, *batch, shared=shared_scopes())


def linear(tap: Tap, name: str, layer: Any, x: Any) -> Any:
    y = x @ layer.weight.T
    return tap(name, y if layer.bias is None else y + layer.bias)


def normalised(tap: Tap, name: str, layer: Any, x: Any, axes: Any = -1) -> Any:
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    scaled = (x - mean) * lax.rsqrt(variance + 1e-5)
    return tap(name, scaled * layer.weight + layer.bias)


def square(model: Any, x: Any) -> Any:
    return jnp.mean(jax.vmap(model)(x) ** 2)


# A perceptron, with and without anything between its layers.


@pytest.mark.parametrize("activation", [jax.nn.relu, lambda x: x])
def test_mlp(activation: Any) -> None:
    model = eqx.nn.MLP(3, 2, 4, 2, activation, key=jax.random.key(0))

    def told_by(tap: Tap, model: Any, x: Any) -> Any:
        for index, layer in enumerate(model.layers):
            x = linear(tap, f"layers/{index}", layer, x)
            x = activation(x) if index < 2 else x
        return jnp.mean(x**2)

    found, unidentified = seen_in(square, model, X)
    assert not unidentified
    check_same(found, told(lambda tap, x: told_by(tap, model, x), X))


class CNN(eqx.Module):
    convs: list[eqx.nn.Conv2d]
    norm: eqx.nn.LayerNorm
    head: eqx.nn.Linear

    def __init__(self, key: Any) -> None:
        self.convs = [
            eqx.nn.Conv2d(1, 4, 3, padding=1, key=key),
            eqx.nn.Conv2d(4, 4, 3, padding=1, key=key),
        ]
        self.norm = eqx.nn.LayerNorm((4, 6, 6))
        self.head = eqx.nn.Linear(4 * 6 * 6, 3, key=key)

    def __call__(self, x: Any) -> Any:
        for conv in self.convs:
            x = jax.nn.relu(conv(x))
        return self.head(self.norm(x).reshape(-1))


@pytest.mark.slow
def test_cnn() -> None:
    model = CNN(jax.random.key(0))

    def told_by(tap: Tap, x: Any) -> Any:
        for index, conv in enumerate(model.convs):
            x = lax.conv_general_dilated(x, conv.weight, (1, 1), "SAME")
            x = jax.nn.relu(tap(f"convs/{index}", x + conv.bias))
        x = normalised(tap, "norm", model.norm, x, (1, 2, 3))
        return jnp.mean(linear(tap, "head", model.head, x.reshape(len(x), -1)) ** 2)

    images = RNG.normal(size=(3, 1, 6, 6)).astype(np.float32)
    found, unidentified = seen_in(square, model, images)
    assert not unidentified
    check_same(found, told(told_by, images))


# A transformer of Equinox's own attention.


class Block(eqx.Module):
    ln1: eqx.nn.LayerNorm
    attn: eqx.nn.MultiheadAttention
    ln2: eqx.nn.LayerNorm
    mlp: eqx.nn.MLP

    def __init__(self, key: Any) -> None:
        self.ln1, self.ln2 = eqx.nn.LayerNorm(8), eqx.nn.LayerNorm(8)
        self.attn = eqx.nn.MultiheadAttention(2, 8, key=key)
        self.mlp = eqx.nn.MLP(8, 8, 16, 1, jax.nn.gelu, key=key)

    def __call__(self, x: Any) -> Any:
        h = jax.vmap(self.ln1)(x)
        x = x + self.attn(h, h, h)
        return x + jax.vmap(self.mlp)(jax.vmap(self.ln2)(x))


class Transformer(eqx.Module):
    embed: eqx.nn.Embedding
    blocks: list[Block]
    head: eqx.nn.Linear

    def __init__(self) -> None:
        self.embed = eqx.nn.Embedding(11, 8, key=jax.random.key(0))
        self.blocks = [Block(jax.random.key(seed)) for seed in range(2)]
        self.head = eqx.nn.Linear(8, 11, use_bias=False, key=jax.random.key(3))

    def __call__(self, ids: Any) -> Any:
        x = jax.vmap(self.embed)(ids)
        for block in self.blocks:
            x = block(x)
        return jax.vmap(self.head)(x)


def cross_entropy(logits: Any, ids: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(logits, ids).mean()


def told_by_block(tap: Tap, at: str, block: Block, x: Any) -> Any:
    def heads(z: Any) -> Any:
        return z.reshape(*z.shape[:2], 2, -1)

    h = normalised(tap, at + "ln1", block.ln1, x)
    q, k, v = (
        linear(tap, f"{at}attn/{name}_proj", getattr(block.attn, f"{name}_proj"), h)
        for name in ("query", "key", "value")
    )
    a = jax.nn.softmax(jnp.einsum("bthd,bshd->bhts", heads(q), heads(k)) / 2)
    mixed = jnp.einsum("bhts,bshd->bthd", a, heads(v)).reshape(x.shape)
    x = x + linear(tap, at + "attn/output_proj", block.attn.output_proj, mixed)
    h = normalised(tap, at + "ln2", block.ln2, x)
    h = jax.nn.gelu(linear(tap, at + "mlp/layers/0", block.mlp.layers[0], h))
    return x + linear(tap, at + "mlp/layers/1", block.mlp.layers[1], h)


@pytest.mark.slow
def test_transformer() -> None:
    model = Transformer()

    def told_by(tap: Tap, ids: Any) -> Any:
        x = tap("embed", model.embed.weight[ids])
        for index, block in enumerate(model.blocks):
            x = told_by_block(tap, f"blocks/{index}/", block, x)
        return cross_entropy(linear(tap, "head", model.head, x), ids)

    ids = RNG.integers(0, 11, size=(3, 6))
    found, unidentified = seen_in(
        lambda model, ids: cross_entropy(jax.vmap(model)(ids), ids), model, ids
    )
    assert not unidentified
    check_same(found, told(told_by, ids))


@pytest.mark.slow
def test_batch_norm_between_its_neighbours() -> None:
    class Net(eqx.Module):
        inner: eqx.nn.Linear
        norm: eqx.nn.BatchNorm
        out: eqx.nn.Linear

        def __init__(self, key: Any) -> None:
            self.inner = eqx.nn.Linear(3, 4, key=key)
            self.norm = eqx.nn.BatchNorm(4, "batch", mode="batch")
            self.out = eqx.nn.Linear(4, 2, key=key)

        def __call__(self, x: Any, state: Any) -> Any:
            x, state = self.norm(self.inner(x), state)
            return self.out(jnp.tanh(x)), state

    model, state = eqx.nn.make_with_state(Net)(jax.random.key(0))

    def loss(model: Any, state: Any, x: Any) -> Any:
        batched = jax.vmap(
            model, axis_name="batch", in_axes=(0, None), out_axes=(0, None)
        )
        return jnp.mean(batched(x, state)[0] ** 2)

    def told_by(tap: Tap, x: Any) -> Any:
        x = linear(tap, "inner", model.inner, x)
        x = normalised(tap, "norm", model.norm, x, 0)
        return jnp.mean(linear(tap, "out", model.out, jnp.tanh(x)) ** 2)

    found, unidentified = seen_in(loss, model, state, X)
    assert not unidentified
    check_same(found, told(told_by, X), error=2e-6)


@pytest.mark.slow
def test_what_has_no_parameters_keeps_its_scope() -> None:
    model = eqx.nn.Sequential(
        [
            eqx.nn.Conv1d(1, 2, 3, key=jax.random.key(0)),
            eqx.nn.MaxPool1d(2, 2),
            eqx.nn.Lambda(jnp.ravel),
            eqx.nn.Linear(6, 1, key=jax.random.key(0)),
        ]
    )
    found, _ = seen_in(square, model, RNG.normal(size=(3, 1, 8)).astype(np.float32))
    names = {name for name, kind in found if kind == "output"}
    assert {"layers/0", "layers/3"} <= names
    assert {n.partition("/")[0] for n in names - {"layers/0", "layers/3"}} == {
        "eqx.nn.MaxPool1d"
    }


def test_a_cell_with_several_weights_names_them() -> None:
    """What is added inside the gates has no cotangent that is certain: it is said."""

    class Net(eqx.Module):
        cell: eqx.nn.GRUCell

        def __call__(self, rows: Any) -> Any:
            step = lambda h, x: (self.cell(x, h), None)  # noqa: E731
            return lax.scan(step, jnp.zeros(4), rows)[0]

    model = Net(eqx.nn.GRUCell(3, 4, key=jax.random.key(0)))
    rows = RNG.normal(size=(2, 5, 3)).astype(np.float32)
    found, unidentified = seen_in(square, model, rows)
    assert {name for name, kind in found if kind == "output"} == {
        "cell/weight_ih+bias",
        "cell/weight_hh",
        "cell/bias_n",
    }
    assert set(unidentified) == {"cell/bias_n"}


@pytest.mark.slow
def test_haiku_keeps_its_scopes() -> None:
    """Haiku names scopes after its modules: nothing is to be refined."""
    net = hk.without_apply_rng(
        hk.transform(lambda x: hk.nets.MLP([8, 4])(hk.Linear(6)(x)))
    )
    params = jax.jit(net.init)(jax.random.key(0), X)
    found, unidentified = seen(
        jax.value_and_grad(lambda p, x: jnp.mean(net.apply(p, x) ** 2)), params, X
    )
    assert not unidentified

    def told_by(tap: Tap, x: Any) -> Any:
        for name in ("linear", "mlp/~/linear_0", "mlp/~/linear_1"):
            w, b = params[name]["w"], params[name]["b"]
            x = tap(name.replace("/~", ""), x @ w + b)
            x = jax.nn.relu(x) if name.endswith("_0") else x
        return jnp.mean(tap("mlp", x) ** 2)

    check_same(found, told(told_by, X))
