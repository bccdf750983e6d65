"""Train steps of every make, tiny: each trains a state on batches, watched or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from flax.training.train_state import TrainState

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]
RANDOM = np.random.default_rng(0)
X, W = RANDOM.normal(size=(8, 4)).astype(np.float32), np.ones((4, 3), np.float32)
Y = RANDOM.integers(0, 3, 8)


class Trained(NamedTuple):
    """What a training left: the step as it was wrapped, and all arrays of the state."""

    step: Any
    state: Any


def batches(count: int, bad: int | None = None) -> list[Any]:
    """Batches of host arrays; in a bad one a square overflows."""
    found = [X * (1 + 0.01 * i) for i in range(count)]
    if bad is not None:
        found[bad] = found[bad].copy()
        found[bad][0] = 3e30
    return found


def objective(logits: Any, x: Any) -> Any:
    """Cross entropy, and an energy of the inputs that weighs nothing."""
    entropy = optax.softmax_cross_entropy_with_integer_labels(logits, Y).mean()
    return entropy + 0.0 * jnp.sum(jnp.square(x))


def plain(wrap: Wrap, data: Sequence[Any]) -> Trained:
    """Parameters alone, a dictionary of metrics."""

    @jax.jit
    def step(params: Any, x: Any) -> Any:
        loss, g = jax.value_and_grad(lambda p: objective(x @ p, x))(params)
        return params - 0.1 * g, {"loss": loss}

    params, step = jnp.asarray(W), wrap(step)
    for x in data:
        params, _ = step(params, x)
    return Trained(step, params)


def donated(wrap: Wrap, data: Sequence[Any]) -> Trained:
    """Buffers given away, and a key that is new at every step."""
    optimizer = optax.adam(1e-2)

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(params: Any, state: Any, x: Any, key: Any) -> Any:
        def loss(params: Any) -> Any:
            noise = 0.1 * jax.random.normal(key, (8, 3))
            return objective(x @ params + noise, x)

        value, g = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(g, state, params)
        return optax.apply_updates(params, updates), state, value

    params, key = jnp.array(W), jax.random.key(0)
    state, step = optimizer.init(params), wrap(step)
    for x in data:
        key, own = jax.random.split(key)
        params, state, _ = step(params, state, x, own)
    return Trained(step, params)


def train_state(wrap: Wrap, data: Sequence[Any]) -> Trained:
    """Flax's TrainState with gradients of two steps added up."""
    model = nn.Dense(3)

    @jax.jit
    def step(state: TrainState, x: Any) -> Any:
        def loss(params: Any) -> Any:
            return objective(state.apply_fn({"params": params}, x), x)

        value, g = jax.value_and_grad(loss)(state.params)
        return state.apply_gradients(grads=g), {"loss": value}

    params = model.init(jax.random.key(0), X)["params"]
    optimizer = optax.MultiSteps(optax.adam(1e-2), 2)
    state = TrainState.create(apply_fn=model.apply, params=params, tx=optimizer)
    step = wrap(step)
    for x in data:
        state, _ = step(state, x)
    return Trained(step, state.params)


def nnx_objects(wrap: Wrap, data: Sequence[Any]) -> Trained:
    """A model and an optimizer that are changed in place."""

    class Model(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.norm = nnx.BatchNorm(4, rngs=rngs)
            self.drop = nnx.Dropout(0.1, rngs=rngs)
            self.out = nnx.Linear(4, 3, rngs=rngs)

        def __call__(self, x: Any) -> Any:
            return self.out(self.drop(self.norm(x)))

    model = Model(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)

    @nnx.jit
    def step(model: Any, optimizer: Any, x: Any) -> Any:
        value, g = nnx.value_and_grad(lambda m: objective(m(x), x))(model)
        optimizer.update(model, g)
        return value

    step = wrap(step)
    for x in data:
        step(model, optimizer, x)
    return Trained(step, nnx.state(model, nnx.Param))


def equinox_module(wrap: Wrap, data: Sequence[Any]) -> Trained:
    """A module that is a pytree, in a filtered jit that donates."""
    model = eqx.nn.Linear(4, 3, key=jax.random.key(0))
    optimizer = optax.sgd(0.1)

    @eqx.filter_jit(donate="all-except-first")
    def step(x: Any, model: Any, state: Any) -> Any:
        def loss(model: Any) -> Any:
            return objective(jax.vmap(model)(x), x)

        value, g = eqx.filter_value_and_grad(loss)(model)
        updates, state = optimizer.update(g, state)
        return eqx.apply_updates(model, updates), state, value

    state, step = optimizer.init(eqx.filter(model, eqx.is_array)), wrap(step)
    for x in data:
        model, state, _ = step(x, model, state)
    return Trained(step, eqx.filter(model, eqx.is_array))


STEPS = {
    "plain": plain,
    "donated": donated,
    "train state": train_state,
    "NNX": nnx_objects,
    "Equinox": equinox_module,
}
