"""Train steps of whole Equinox modules, in the manner of its public examples."""

from __future__ import annotations

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from tests.steps.fill import fill
from tests.steps.train_step import TrainStep, X, Y

KEY = jax.random.PRNGKey(0)


def filled(make: Any) -> Any:
    return fill(eqx.filter_eval_shape(make, KEY))


def trainable(model: Any) -> Any:
    return eqx.filter(model, eqx.is_inexact_array)


def training(step: Any, args: Any, gradient: Any, at: Any = 0, to: Any = 0) -> Any:
    """A step of the models `args[at]`, which come out as `out[to]`."""
    return TrainStep(
        step,
        args,
        gradient,
        old=lambda args: trainable(args[at]),
        new=lambda out: trainable(out[to]),
    )


def batched_loss(model: Any, state: Any, x: Any, y: Any) -> Any:
    """The loss of a model with a state, and the state that comes out of the batch."""
    batched = jax.vmap(model, axis_name="batch", in_axes=(0, None), out_axes=(0, None))
    out, state = batched(x, state)
    return jnp.mean((out - y) ** 2), state


class _Stateful(eqx.Module):
    first: eqx.nn.BatchNorm
    spectral: eqx.nn.SpectralNorm[Any]
    second: eqx.nn.BatchNorm
    last: eqx.nn.Linear

    def __init__(self, key: Any) -> None:
        keys = jax.random.split(key, 3)
        self.first = eqx.nn.BatchNorm(3, "batch", mode="batch")
        linear = eqx.nn.Linear(3, 4, key=keys[0])
        self.spectral = eqx.nn.SpectralNorm(linear, "weight", key=keys[1])
        self.second = eqx.nn.BatchNorm(4, "batch", mode="batch")
        self.last = eqx.nn.Linear(4, 3, key=keys[2])

    def __call__(self, x: Any, state: Any) -> Any:
        x, state = self.first(x, state)
        x, state = self.spectral(x, state)
        x, state = self.second(jax.nn.relu(x), state)
        return self.last(x), state


def normalised_by_a_state() -> TrainStep:
    """Batch and spectral norm: their state goes through the loss and out of it."""
    model, state = eqx.nn.make_with_state(_Stateful)(KEY)
    optimizer = optax.adam(1e-2)

    @eqx.filter_jit
    def step(model: Any, state: Any, opt_state: Any, x: Any, y: Any) -> Any:
        grads, state = eqx.filter_grad(batched_loss, has_aux=True)(model, state, x, y)
        updates, opt_state = optimizer.update(grads, opt_state)
        return eqx.apply_updates(model, updates), state, opt_state

    def gradient(model: Any, state: Any, opt_state: Any, x: Any, y: Any) -> Any:
        return eqx.filter_grad(batched_loss, has_aux=True)(model, state, x, y)[0]

    return training(
        step,
        (model, state, optimizer.init(trainable(model)), X, Y),
        gradient,
    )


def generator_then_critic() -> TrainStep:
    """A GAN of whole modules: the generator learns from the critic's new weights."""
    mlp = partial(eqx.nn.MLP, width_size=4, depth=1)
    generator = mlp(3, 3, key=jax.random.PRNGKey(1))
    critic = mlp(3, "scalar", key=jax.random.PRNGKey(2))
    optimizer = optax.adam(1e-2, b1=0.5)

    @eqx.filter_value_and_grad
    def critic_loss(critic: Any, generator: Any, real: Any, noise: Any) -> Any:
        made = jax.vmap(critic)(jax.vmap(generator)(noise))
        seen = jax.vmap(critic)(real)
        return jnp.mean(jax.nn.softplus(made) + jax.nn.softplus(-seen))

    @eqx.filter_value_and_grad
    def generator_loss(generator: Any, critic: Any, noise: Any) -> Any:
        made = jax.vmap(critic)(jax.vmap(generator)(noise))
        return jnp.mean(jax.nn.softplus(-made))

    def learn(model: Any, state: Any, grads: Any) -> Any:
        updates, state = optimizer.update(grads, state)
        return eqx.apply_updates(model, updates), state

    @eqx.filter_jit
    def step(generator: Any, critic: Any, states: Any, real: Any, key: Any) -> Any:
        noises = jax.random.normal(key, (2, 4, 3))
        critics, grads = critic_loss(critic, generator, real, noises[0])
        critic, second = learn(critic, states[1], grads)
        generators, grads = generator_loss(generator, critic, noises[1])
        generator, first = learn(generator, states[0], grads)
        return generator, critic, (first, second), (generators, critics)

    def gradient(generator: Any, critic: Any, states: Any, real: Any, key: Any) -> Any:
        noises = jax.random.normal(key, (2, 4, 3))
        _, first = critic_loss(critic, generator, real, noises[0])
        critic, _ = learn(critic, states[1], first)
        return generator_loss(generator, critic, noises[1])[1], first

    states = (
        optimizer.init(trainable(generator)),
        optimizer.init(trainable(critic)),
    )
    return training(
        step,
        (generator, critic, states, X, KEY),
        gradient,
        at=slice(2),
        to=slice(2),
    )


class _Recurrent(eqx.Module):
    cell: eqx.nn.GRUCell
    head: eqx.nn.Linear

    def __init__(self, key: Any) -> None:
        first, second = jax.random.split(key)
        self.cell = eqx.nn.GRUCell(3, 4, key=first)
        self.head = eqx.nn.Linear(4, "scalar", key=second)

    def __call__(self, rows: Any) -> Any:
        hidden, _ = lax.scan(lambda h, x: (self.cell(x, h), None), jnp.zeros(4), rows)
        return jax.nn.sigmoid(self.head(hidden))


def recurrent_classifier() -> TrainStep:
    """A cell in a scan over time, and the cross entropy of one class."""
    model = filled(_Recurrent)
    optimizer = optax.adam(1e-2)

    @eqx.filter_value_and_grad
    def loss_fn(model: Any, x: Any, y: Any) -> Any:
        p = jax.vmap(model)(x)
        return -jnp.mean(y * jnp.log(p) + (1 - y) * jnp.log(1 - p))

    @eqx.filter_jit
    def step(model: Any, x: Any, y: Any, state: Any) -> Any:
        loss, grads = loss_fn(model, x, y)
        updates, state = optimizer.update(grads, state)
        return loss, eqx.apply_updates(model, updates), state

    rows = np.stack([X, Y, X])
    seen = np.array([0.0, 1.0, 1.0], np.float32)
    return training(
        step,
        (model, rows, seen, optimizer.init(trainable(model))),
        lambda model, x, y, state: loss_fn(model, x, y)[1],
        to=1,
    )


EQUINOX_STEPS = {
    step.__name__: step
    for step in (
        normalised_by_a_state,
        generator_then_critic,
        recurrent_classifier,
    )
}
