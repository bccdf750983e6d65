"""Transformers in Equinox, in the manner of its public examples."""

from __future__ import annotations

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from tests.steps.equinox_steps import KEY, filled, trainable, training
from tests.steps.fill import cross_entropy
from tests.steps.train_step import LABELS, TrainStep

_WORDS = np.random.default_rng(0).integers(0, 7, (2, 3, 5))


class _Block(eqx.Module):
    norm: eqx.nn.LayerNorm
    attention: eqx.nn.MultiheadAttention
    mlp: eqx.nn.MLP
    dropout: eqx.nn.Dropout

    def __init__(self, key: Any, rate: float = 0.0) -> None:
        first, second = jax.random.split(key)
        self.norm = eqx.nn.LayerNorm(4)
        self.attention = eqx.nn.MultiheadAttention(2, 4, key=first)
        self.mlp = eqx.nn.MLP(4, 4, 8, 1, jax.nn.gelu, key=second)
        self.dropout = eqx.nn.Dropout(rate)

    def __call__(self, x: Any, key: Any = None) -> Any:
        mask = None if key is not None else np.tril(np.ones((len(x), len(x)), bool))
        h = jax.vmap(self.norm)(x)
        x = x + self.attention(h, h, h, mask=mask)
        return x + self.dropout(jax.vmap(self.mlp)(x), key=key)


class _LanguageModel(eqx.Module):
    words: eqx.nn.Embedding
    places: eqx.nn.Embedding
    blocks: list[_Block]
    norm: eqx.nn.LayerNorm

    def __init__(self, key: Any) -> None:
        keys = jax.random.split(key, 4)
        self.words = eqx.nn.Embedding(7, 4, key=keys[0])
        self.places = eqx.nn.Embedding(5, 4, key=keys[1])
        self.blocks = [_Block(keys[2]), _Block(keys[3])]
        self.norm = eqx.nn.LayerNorm(4)

    def __call__(self, words: Any) -> Any:
        x = jax.vmap(self.words)(words) + jax.vmap(self.places)(jnp.arange(len(words)))
        for block in self.blocks:
            x = block(x)
        return jax.vmap(self.norm)(x) @ self.words.weight.T


def language_model() -> TrainStep:
    """GPT: a table that embeds and decodes; micro-batches in a scan; some decay."""
    decayed = optax.adamw(
        1e-2, weight_decay=0.1, mask=partial(jax.tree.map, lambda p: p.ndim > 1)
    )
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), decayed)
    model = filled(_LanguageModel)

    def loss_fn(model: Any, words: Any) -> Any:
        return cross_entropy(jax.vmap(model)(words)[:, :-1], words[:, 1:])

    @eqx.filter_jit
    def step(model: Any, state: Any, batches: Any) -> Any:
        params, static = eqx.partition(model, eqx.is_inexact_array)

        def add(total: Any, words: Any) -> Any:
            loss, grads = jax.value_and_grad(
                lambda params: loss_fn(eqx.combine(params, static), words)
            )(params)
            return jax.tree.map(jnp.add, total, grads), loss

        zeros = jax.tree.map(jnp.zeros_like, params)
        grads, losses = lax.scan(add, zeros, batches)
        grads = jax.tree.map(lambda g: g / len(batches), grads)
        updates, state = optimizer.update(grads, state, params)
        return eqx.apply_updates(model, updates), state, losses.mean()

    def gradient(model: Any, state: Any, batches: Any) -> Any:
        return eqx.filter_jit(
            eqx.filter_grad(lambda m: sum(loss_fn(m, words) for words in batches))
        )(model)

    return training(
        step,
        (model, optimizer.init(trainable(model)), _WORDS),
        gradient,
    )


class _Vision(eqx.Module):
    patches: eqx.nn.Linear
    places: jax.Array
    token: jax.Array
    blocks: list[_Block]
    head: eqx.nn.Sequential

    def __init__(self, key: Any) -> None:
        keys = jax.random.split(key, 6)
        self.patches = eqx.nn.Linear(8, 4, key=keys[0])
        self.places = jax.random.normal(keys[1], (5, 4))
        self.token = jax.random.normal(keys[2], (1, 4))
        self.blocks = [_Block(key, rate=0.1) for key in keys[3:5]]
        self.head = eqx.nn.Sequential(
            [eqx.nn.LayerNorm(4), eqx.nn.Linear(4, 3, key=keys[5])]
        )

    def __call__(self, image: Any, key: Any) -> Any:
        x = image.reshape(2, 2, 2, 4).transpose(0, 2, 1, 3).reshape(4, 8)
        x = jnp.concatenate([self.token, jax.vmap(self.patches)(x)]) + self.places
        for block, own in zip(self.blocks, jax.random.split(key), strict=True):
            x = block(x, own)
        return self.head(x[0])


def optimizer_among_the_arguments() -> TrainStep:
    """A vision transformer; the step is handed its optimiser."""

    @eqx.filter_value_and_grad
    def loss_fn(model: Any, images: Any, labels: Any, keys: Any) -> Any:
        return cross_entropy(jax.vmap(model)(images, keys), labels)

    @eqx.filter_jit
    def step(model: Any, optimizer: Any, state: Any, *batch: Any) -> Any:
        loss, grads = loss_fn(model, *batch)
        updates, state = optimizer.update(grads, state, model)
        return eqx.apply_updates(model, updates), state, loss

    model = filled(_Vision)
    optimizer = optax.adamw(1e-2)
    images = np.random.default_rng(1).normal(size=(3, 8, 4)).astype(np.float32)
    batch = (images, LABELS[:3], jax.random.split(KEY, 3))
    return training(
        step,
        (model, optimizer, optimizer.init(trainable(model)), *batch),
        lambda model, tx, state, *batch: eqx.filter_jit(loss_fn)(model, *batch)[1],
    )


TRANSFORMER_STEPS = {
    step.__name__: step for step in (language_model, optimizer_among_the_arguments)
}
