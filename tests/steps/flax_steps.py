"""Train steps in the style of the Flax examples and guides: Linen and NNX."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from flax.training import train_state

from tests.steps.fill import cross_entropy, fill
from tests.steps.train_step import LABELS, TrainStep, X

IMAGES = np.random.default_rng(1).normal(size=(4, 4, 4, 1)).astype(np.float32)


class CNN(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.relu(nn.Conv(2, (3, 3))(x))
        x = nn.avg_pool(x, window_shape=(2, 2), strides=(2, 2))
        x = x.reshape((x.shape[0], -1))
        return nn.Dense(3)(nn.relu(nn.Dense(8)(x)))


def linen_cnn() -> TrainStep:
    """MNIST of the Flax examples: gradients by one function, update by another."""
    model = CNN()
    params = fill(jax.eval_shape(model.init, jax.random.key(0), IMAGES))["params"]

    @jax.jit
    def apply_model(state: Any, images: Any, labels: Any) -> Any:
        def loss_fn(params: Any) -> Any:
            logits = state.apply_fn({"params": params}, images)
            return cross_entropy(logits, labels), logits

        (loss, logits), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
        return grads, loss, jnp.mean(jnp.argmax(logits, -1) == labels)

    @jax.jit
    def update_model(state: Any, grads: Any) -> Any:
        return state.apply_gradients(grads=grads)

    def step(state: Any, images: Any, labels: Any) -> Any:
        grads, loss, accuracy = apply_model(state, images, labels)
        return update_model(state, grads), loss, accuracy

    state = train_state.TrainState.create(
        apply_fn=model.apply, params=params, tx=optax.sgd(0.1, momentum=0.9)
    )
    return TrainStep(
        step,
        (state, IMAGES, LABELS),
        lambda state, x, y: jax.grad(
            lambda params: cross_entropy(model.apply({"params": params}, x), y)
        )(state.params),
        old=lambda args: args[0].params,
        new=lambda out: out[0].params,
    )


class Normalised(nn.Module):
    @nn.compact
    def __call__(self, x: Any, train: bool) -> Any:
        x = nn.Dense(4)(x)
        x = nn.BatchNorm(use_running_average=not train)(x)
        x = nn.Dropout(0.2, deterministic=not train)(nn.relu(x))
        return nn.Dense(3)(nn.remat(nn.Dense)(4)(x))


class StateWithStatistics(train_state.TrainState):
    batch_stats: Any
    key: Any


def linen_batch_norm_dropout() -> TrainStep:
    model = Normalised()
    variables = fill(
        jax.eval_shape(partial(model.init, train=False), jax.random.key(0), X)
    )

    @jax.jit
    def train_step(state: Any, x: Any, y: Any) -> Any:
        key = jax.random.fold_in(state.key, state.step)

        def loss_fn(params: Any) -> Any:
            logits, updates = state.apply_fn(
                {"params": params, "batch_stats": state.batch_stats},
                x,
                train=True,
                mutable=["batch_stats"],
                rngs={"dropout": key},
            )
            return cross_entropy(logits, y), updates

        (loss, updates), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
        state = state.apply_gradients(grads=grads)
        return state.replace(batch_stats=updates["batch_stats"]), loss

    def gradient(state: Any, x: Any, y: Any) -> Any:
        def loss_fn(params: Any) -> Any:
            logits, _ = model.apply(
                {"params": params, "batch_stats": state.batch_stats},
                x,
                train=True,
                mutable=["batch_stats"],
                rngs={"dropout": jax.random.fold_in(state.key, state.step)},
            )
            return cross_entropy(logits, y)

        return jax.grad(loss_fn)(state.params)

    state = StateWithStatistics.create(
        apply_fn=model.apply,
        params=variables["params"],
        tx=optax.adamw(1e-2),
        batch_stats=variables["batch_stats"],
        key=jax.random.key(1),
    )
    return TrainStep(
        train_step,
        (state, X, LABELS),
        gradient,
        old=lambda args: args[0].params,
        new=lambda out: out[0].params,
    )


class Block(nn.Module):
    @nn.compact
    def __call__(self, x: Any, _: Any) -> Any:
        x = nn.LayerNorm()(x)
        return x + nn.Dense(3)(nn.gelu(nn.Dense(3)(x))), None


class Stack(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        embedding = nn.Embed(3, 3)
        layers = nn.scan(
            nn.remat(Block, prevent_cse=False),
            variable_axes={"params": 0},
            split_rngs={"params": True},
            length=2,
        )
        x, _ = layers(name="layers")(embedding(x), None)
        return embedding.attend(x)


def linen_language_model() -> TrainStep:
    """Rematerialised layers in a scan; one table embeds and decodes."""
    model = Stack()
    params = fill(jax.eval_shape(model.init, jax.random.key(0), LABELS))["params"]
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-2))

    def loss_fn(params: Any, tokens: Any) -> Any:
        logits = model.apply({"params": params}, tokens)
        return cross_entropy(logits, jnp.roll(tokens, -1))

    @jax.jit
    def train_step(state: Any, tokens: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_fn)(state.params, tokens)
        metrics = {"loss": loss, "norm": optax.tree.norm(grads)}
        return metrics, state.apply_gradients(grads=grads)

    state = train_state.TrainState.create(apply_fn=model.apply, params=params, tx=tx)
    return TrainStep(
        train_step,
        (state, LABELS),
        lambda state, tokens: jax.grad(loss_fn)(state.params, tokens),
        old=lambda args: args[0].params,
        new=lambda out: out[1].params,
    )


class NnxModel(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.first = nnx.Linear(3, 4, rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.layers = nnx.List([nnx.Linear(4, 4, rngs=rngs) for _ in range(2)])
        self.last = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = nnx.relu(self.norm(self.first(x)))
        for layer in self.layers:
            x = nnx.tanh(layer(x))
        return self.last(x)


def nnx_optimizer() -> TrainStep:
    """Split outside, merge inside: the functional step of the NNX guide."""
    model = NnxModel(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)
    graphdef, state = nnx.split((model, optimizer))
    model_def, _, rest = nnx.split(model, nnx.Param, ...)

    @jax.jit
    def train_step(state: Any, x: Any, y: Any) -> Any:
        model, optimizer = nnx.merge(graphdef, state)

        def loss_fn(model: Any) -> Any:
            logits = model(x)
            return cross_entropy(logits, y), logits

        (loss, _), grads = nnx.value_and_grad(loss_fn, has_aux=True)(model)
        optimizer.update(model, grads)
        return nnx.state((model, optimizer)), loss

    def gradient(state: Any, x: Any, y: Any) -> Any:
        params = nnx.filter_state(state, nnx.Param)[0]

        def loss_fn(params: Any) -> Any:
            model = nnx.merge(model_def, params, rest, copy=True)
            return cross_entropy(model(x), y)

        return jax.grad(loss_fn)(params)

    def params_of(state: Any) -> Any:
        return nnx.filter_state(state, nnx.Param)[0]

    return TrainStep(
        train_step,
        (state, X, LABELS),
        gradient,
        old=lambda args: params_of(args[0]),
        new=lambda out: params_of(out[0]),
    )


FLAX_STEPS = {
    step.__name__: step
    for step in (
        linen_cnn,
        linen_batch_norm_dropout,
        linen_language_model,
        nnx_optimizer,
    )
}
