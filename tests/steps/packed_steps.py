"""Losses differentiated by all parameters in one vector."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.flatten_util import ravel_pytree

from tests.steps.train_step import TrainStep, X, Y, mse, parameters

CHANGED = "part of one vector, which is changed before it is taken apart"


def packed_gradient() -> TrainStep:
    """As for a solver of SciPy: pack, differentiate, take apart."""

    def step(params: Any, x: Any, y: Any) -> Any:
        flat, unravel = ravel_pytree(params)
        grads = unravel(jax.grad(lambda flat: mse(unravel(flat), x, y))(flat))
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)

    return TrainStep(step, (parameters(), X, Y), jax.grad(mse), new=lambda out: out)


def packed_under_adam() -> TrainStep:
    optimizer = optax.chain(optax.clip_by_global_norm(0.1), optax.adam(1e-2))

    @jax.jit
    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        flat, unravel = ravel_pytree(params)
        loss, grads = jax.value_and_grad(lambda flat: mse(unravel(flat), x, y))(flat)
        updates, state = optimizer.update(unravel(grads), state, params)
        return optax.apply_updates(params, updates), state, loss

    params = parameters()
    return TrainStep(
        step,
        (params, optimizer.init(params), X, Y),
        lambda params, state, x, y: jax.grad(mse)(params, x, y),
    )


def packed_by_hand() -> TrainStep:
    """Two matrices between two vectors, cut out by their positions."""

    def loss(flat: Any, x: Any, y: Any) -> Any:
        one, other = flat[2:11].reshape(3, 3), flat[11:20].reshape(3, 3)
        bias = jnp.sum(flat[:2]) * flat[20:]
        return jnp.mean((jnp.tanh(x @ one + bias) @ other - y) ** 2)

    def pack(params: Any) -> Any:
        return jnp.concatenate([p.ravel() for p in params])

    def step(params: Any, x: Any, y: Any) -> Any:
        grads = jax.grad(loss)(pack(params), x, y)
        at = 0
        new = []
        for p in params:
            new.append(p - 0.1 * grads[at : at + p.size].reshape(p.shape))
            at += p.size
        return new

    params = [X[0, :2], X[1:], Y[1:], Y[0]]
    return TrainStep(
        step,
        (params, X, Y),
        jax.grad(lambda params, x, y: loss(pack(params), x, y)),
        new=lambda out: out,
    )


def one_vector() -> TrainStep:
    """The parameters are one vector themselves, all the time."""
    vector, unravel = ravel_pytree(parameters())
    optimizer = optax.adam(1e-2)

    def step(flat: Any, state: Any, x: Any, y: Any) -> Any:
        grads = jax.grad(lambda flat: mse(unravel(flat), x, y))(flat)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(flat, updates), state

    return TrainStep(
        step,
        (np.asarray(vector), optimizer.init(vector), X, Y),
        lambda flat, state, x, y: jax.grad(lambda f: mse(unravel(f), x, y))(flat),
    )


def packed_in_a_scan() -> TrainStep:
    """Several steps; the vector is packed anew in each."""

    def step(params: Any, x: Any, y: Any) -> Any:
        def body(params: Any, _: Any) -> Any:
            return packed_gradient().function(params, x, y), None

        return lax.scan(body, params, length=1)[0]

    def gradient(*args: Any) -> Any:
        return jax.tree.map(lambda g: g[None], jax.grad(mse)(*args))

    return TrainStep(
        step, (parameters(), X, Y), gradient, new=lambda out: out, moved=False
    )


def moved_in_one_vector() -> TrainStep:
    """The step is taken in the vector: no array is the gradient of a leaf."""

    def step(params: Any, x: Any, y: Any) -> Any:
        flat, unravel = ravel_pytree(params)
        grads = jax.grad(lambda flat: mse(unravel(flat), x, y))(flat)
        return unravel(flat - 0.1 * grads)

    return TrainStep(
        step,
        (parameters(), X, Y),
        jax.grad(mse),
        new=lambda out: out,
        unidentified=dict.fromkeys(parameters(), CHANGED),
        moved=False,
    )


def taken_apart_wrongly() -> TrainStep:
    """A bug: the matrices are cut out of the gradient in another order."""

    def step(params: Any, x: Any, y: Any) -> Any:
        flat, unravel = ravel_pytree(params)
        grads = unravel(jax.grad(lambda flat: mse(unravel(flat), x, y))(flat))
        grads = {**grads, "w1": grads["w2"], "w2": grads["w1"]}
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)

    return TrainStep(
        step,
        (parameters(), X, Y),
        jax.grad(mse),
        new=lambda out: out,
        unidentified=dict.fromkeys(
            ("w1", "w2"), "no gradient of its shape leads to its new value"
        ),
    )


PACKED_STEPS = {
    step.__name__: step
    for step in (
        packed_gradient,
        packed_under_adam,
        packed_by_hand,
        one_vector,
        packed_in_a_scan,
    )
}
PACKED_TRAPS = {
    step.__name__: step for step in (moved_in_one_vector, taken_apart_wrongly)
}
