"""Train steps in the style of the examples of Equinox, Haiku and JAX itself."""

from __future__ import annotations

from functools import partial
from typing import Any

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp
import optax
from jax.example_libraries import optimizers

from tests.steps.fill import cross_entropy, fill
from tests.steps.train_step import LABELS, TrainStep, X, Y, mse, parameters


def _equinox_mlp() -> Any:
    make = partial(eqx.nn.MLP, 3, 3, width_size=3, depth=2)
    return fill(eqx.filter_eval_shape(lambda key: make(key=key), jax.random.key(0)))


def equinox_mlp() -> TrainStep:
    """`filter_value_and_grad` and `eqx.apply_updates`, arrays apart from the rest."""
    params, static = eqx.partition(_equinox_mlp(), eqx.is_inexact_array)
    optimizer = optax.adam(1e-2)

    def loss_fn(model: Any, x: Any, y: Any) -> Any:
        return jnp.mean((jax.vmap(model)(x) - y) ** 2)

    @jax.jit
    def make_step(params: Any, opt_state: Any, x: Any, y: Any) -> Any:
        model = eqx.combine(params, static)
        loss, grads = eqx.filter_value_and_grad(loss_fn)(model, x, y)
        updates, opt_state = optimizer.update(grads, opt_state)
        model = eqx.apply_updates(model, updates)
        return loss, eqx.filter(model, eqx.is_inexact_array), opt_state

    return TrainStep(
        make_step,
        (params, optimizer.init(params), X, Y),
        lambda params, state, x, y: jax.grad(
            lambda params: loss_fn(eqx.combine(params, static), x, y)
        )(params),
        new=lambda out: out[1],
    )


def equinox_frozen() -> TrainStep:
    """Freezing all but the last layer by a filter, as the Equinox examples do."""
    params, static = eqx.partition(_equinox_mlp(), eqx.is_inexact_array)
    trained = jax.tree.map(lambda _: False, params)
    trained = eqx.tree_at(
        lambda m: (m.layers[-1].weight, m.layers[-1].bias), trained, (True, True)
    )
    optimizer = optax.sgd(0.1)

    @partial(eqx.filter_value_and_grad)
    def loss_fn(moving: Any, still: Any, x: Any, y: Any) -> Any:
        model = eqx.combine(moving, still, static)
        return jnp.mean((jax.vmap(model)(x) - y) ** 2)

    @jax.jit
    def make_step(params: Any, opt_state: Any, x: Any, y: Any) -> Any:
        moving, still = eqx.partition(params, trained)
        loss, grads = loss_fn(moving, still, x, y)
        updates, opt_state = optimizer.update(grads, opt_state)
        return eqx.apply_updates(params, updates), opt_state, loss

    def gradient(params: Any, state: Any, x: Any, y: Any) -> Any:
        def loss(params: Any) -> Any:
            return jnp.mean((jax.vmap(eqx.combine(params, static))(x) - y) ** 2)

        return jax.grad(loss)(params)

    still = "its new value is its old one"
    return TrainStep(
        make_step,
        (params, optimizer.init(eqx.filter(params, trained)), X, Y),
        gradient,
        unidentified={"layers/0": still, "layers/1": still},
    )


def haiku_mnist() -> TrainStep:
    """A state with parameters and their moving average, as in the Haiku examples."""
    network = hk.without_apply_rng(
        hk.transform(
            lambda x: hk.Sequential([hk.Linear(4), jax.nn.relu, hk.Linear(3)])(x)
        )
    )
    params = fill(jax.eval_shape(network.init, jax.random.key(0), X))
    optimizer = optax.adam(1e-2)

    def loss(params: Any, x: Any, y: Any) -> Any:
        l2 = 0.5 * sum(jnp.sum(jnp.square(p)) for p in jax.tree.leaves(params))
        return cross_entropy(network.apply(params, x), y) + 1e-4 * l2

    @jax.jit
    def update(state: Any, x: Any, y: Any) -> Any:
        grads = jax.grad(loss)(state["params"], x, y)
        updates, opt_state = optimizer.update(grads, state["opt"])
        params = optax.apply_updates(state["params"], updates)
        average = optax.incremental_update(params, state["average"], step_size=0.1)
        return {"params": params, "average": average, "opt": opt_state}

    state = {"params": params, "average": params, "opt": optimizer.init(params)}
    return TrainStep(
        update,
        (state, X, LABELS),
        lambda state, x, y: jax.grad(loss)(state["params"], x, y),
        old=lambda args: args[0]["params"],
        new=lambda out: out["params"],
    )


def example_libraries() -> TrainStep:
    """`jax.example_libraries`: the parameters are inside the optimiser's state."""
    init, update, get_params = optimizers.momentum(0.1, mass=0.9)

    @jax.jit
    def step(i: Any, opt_state: Any, x: Any, y: Any) -> Any:
        grads = jax.grad(mse)(get_params(opt_state), x, y)
        return update(i, grads, opt_state)

    def first(packed: Any) -> Any:
        # Each parameter is packed with its velocity.
        return jax.tree.leaves(packed)[::2]

    return TrainStep(
        step,
        (0, init(parameters()), X, Y),
        lambda i, state, x, y: jax.grad(mse)(get_params(state), x, y),
        old=lambda args: first(args[1]),
        new=first,
    )


LIBRARY_STEPS = {
    step.__name__: step
    for step in (
        equinox_mlp,
        equinox_frozen,
        haiku_mnist,
        example_libraries,
    )
}
