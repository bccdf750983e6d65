"""Train steps with loops, rules and derivatives in or around the gradient."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from tests.steps.train_step import TrainStep, X, Y, mse, parameters, predict


def _first_of_adam(gradient: Any) -> Any:
    return lambda params, state, x, y: gradient(params, x, y)


def steps_in_a_scan() -> TrainStep:
    """An epoch in one call: one row of gradients for each step."""
    optimizer = optax.adam(1e-2)

    @jax.jit
    def one(params: Any, opt_state: Any, batch: Any) -> Any:
        loss, grads = jax.value_and_grad(mse)(params, *batch)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss

    @jax.jit
    def epoch(state: Any, x: Any, y: Any) -> Any:
        def body(state: Any, batch: Any) -> Any:
            *state, loss = one(*state, batch)
            return tuple(state), loss

        return lax.scan(body, state, (x[:, None], y[:, None]))

    def rows(state: Any, x: Any, y: Any) -> Any:
        def body(state: Any, batch: Any) -> Any:
            params, opt_state, _ = one(*state, batch)
            return (params, opt_state), jax.grad(mse)(state[0], *batch)

        return lax.scan(body, state, (x[:, None], y[:, None]))[1]

    params = parameters()
    return TrainStep(
        epoch,
        ((params, optimizer.init(params)), X, Y),
        rows,
        old=lambda args: args[0][0],
        new=lambda out: out[0][0],
        moved=False,
    )


def layers_in_a_scan() -> TrainStep:
    """Stacked layers, scanned and rematerialised."""
    params = {
        name: np.stack([parameters(seed)[leaf] for seed in (0, 1)])
        for name, leaf in {"key": "w1", "query": "w2", "bias": "b1"}.items()
    }

    def loss(params: Any, x: Any, y: Any) -> Any:
        @jax.checkpoint
        def layer(h: Any, p: Any) -> Any:
            return jnp.tanh(h @ p["key"] + p["bias"]) @ p["query"], None

        h, _ = lax.scan(layer, x, params)
        return jnp.mean((h - y) ** 2)

    optimizer = optax.adamw(1e-2)

    @jax.jit
    def step(params: Any, opt_state: Any, x: Any, y: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params, x, y)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, value

    return TrainStep(
        step,
        (params, optimizer.init(params), X, Y),
        lambda params, state, x, y: jax.grad(loss)(params, x, y),
    )


def own_rule() -> TrainStep:
    """A layer with a `custom_vjp`, a residual connection and a clamped gradient."""

    @jax.custom_vjp
    def linear(x: Any, w: Any) -> Any:
        return x @ w

    def forward(x: Any, w: Any) -> Any:
        return x @ w, (x, w)

    def backward(saved: Any, out: Any) -> Any:
        x, w = saved
        return jnp.clip(out @ w.T, -1, 1), jnp.clip(x.T @ out, -1, 1)

    linear.defvjp(forward, backward)

    def loss(params: Any, x: Any, y: Any) -> Any:
        hidden = x + jnp.tanh(linear(x, params["w1"]) + params["b1"])
        hidden = linear(hidden, params["w2"]) * params["gain"] + params["shift"]
        return jnp.mean((hidden - y) ** 2)

    @jax.jit
    def step(params: Any, x: Any, y: Any) -> Any:
        grads = jax.grad(loss)(params, x, y)
        return jax.tree.map(lambda p, g: p - 0.1 * jnp.clip(g, -1, 1), params, grads)

    return TrainStep(step, (parameters(), X, Y), jax.grad(loss), new=lambda out: out)


def meta_learning() -> TrainStep:
    """MAML: the gradient through one inner step, not the inner gradient."""
    optimizer = optax.adam(1e-2)

    def meta_loss(params: Any, x: Any, y: Any) -> Any:
        inner = jax.grad(mse)(params, x[:2], y[:2])
        adapted = jax.tree.map(lambda p, g: p - 0.1 * g, params, inner)
        return mse(adapted, x[2:], y[2:])

    @jax.jit
    def step(params: Any, opt_state: Any, x: Any, y: Any) -> Any:
        loss, grads = jax.value_and_grad(meta_loss)(params, x, y)
        updates, opt_state = optimizer.update(grads, opt_state)
        return optax.apply_updates(params, updates), opt_state, loss

    params = parameters()
    return TrainStep(
        step,
        (params, optimizer.init(params), X, Y),
        _first_of_adam(jax.grad(meta_loss)),
    )


def sharpness_aware() -> TrainStep:
    """SAM: the gradient at the point uphill, not the one that led there."""

    def uphill(params: Any, x: Any, y: Any) -> Any:
        grads = jax.grad(mse)(params, x, y)
        scale = 0.05 / optax.tree.norm(grads)
        return jax.tree.map(lambda p, g: p + scale * g, params, grads)

    @jax.jit
    def step(params: Any, x: Any, y: Any) -> Any:
        grads = jax.grad(mse)(uphill(params, x, y), x, y)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)

    return TrainStep(
        step,
        (parameters(), X, Y),
        lambda params, x, y: jax.grad(mse)(uphill(params, x, y), x, y),
        new=lambda out: out,
    )


def gradient_penalty() -> TrainStep:
    """A critic whose gradient by its input is held near one, as in WGAN-GP."""
    optimizer = optax.rmsprop(1e-3)

    def loss(params: Any, real: Any, fake: Any) -> Any:
        def judge(x: Any) -> Any:
            return jnp.sum(predict(params, x), -1)

        slopes = jax.vmap(jax.grad(judge))((real + fake) / 2)
        penalty = jnp.mean((jnp.linalg.norm(slopes, axis=-1) - 1) ** 2)
        return jnp.mean(judge(fake)) - jnp.mean(judge(real)) + 10 * penalty

    @jax.jit
    def step(params: Any, opt_state: Any, real: Any, fake: Any) -> Any:
        grads = jax.grad(loss)(params, real, fake)
        updates, opt_state = optimizer.update(grads, opt_state)
        return optax.apply_updates(params, updates), opt_state

    params = parameters()
    return TrainStep(
        step, (params, optimizer.init(params), X, Y), _first_of_adam(jax.grad(loss))
    )


def repeated_layers() -> TrainStep:
    """One line reads a matrix and a scalar of every layer, and all are clipped."""
    layers = [
        {"w": parameters(seed)["w1"], "gain": parameters(seed)["gain"]}
        for seed in range(3)
    ]

    def loss(layers: Any, x: Any, y: Any) -> Any:
        for layer in layers:
            x = layer["gain"] * jnp.tanh(x @ layer["w"])
        return jnp.mean((x - y) ** 2)

    optimizer = optax.chain(optax.clip_by_global_norm(0.1), optax.adam(1e-2))

    @jax.jit
    def step(params: Any, opt_state: Any, x: Any, y: Any) -> Any:
        grads = jax.grad(loss)(params, x, y)
        updates, opt_state = optimizer.update(grads, opt_state)
        return optax.apply_updates(params, updates), opt_state

    args = (layers, optimizer.init(layers), X, Y)
    return TrainStep(step, args, _first_of_adam(jax.grad(loss)))


def noisy_weights() -> TrainStep:
    """The gradient is taken at a point near the weights, which it then moves."""

    def perturbed(params: Any, key: Any) -> Any:
        noise = optax.tree.random_like(key, params)
        return jax.tree.map(lambda p, n: p + 0.01 * n, params, noise)

    @jax.jit
    def step(params: Any, key: Any, x: Any, y: Any) -> Any:
        key, noise_key = jax.random.split(key)
        grads = jax.grad(mse)(perturbed(params, noise_key), x, y)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), key

    return TrainStep(
        step,
        (parameters(), jax.random.key(0), X, Y),
        lambda params, key, x, y: jax.grad(mse)(
            perturbed(params, jax.random.split(key)[1]), x, y
        ),
    )


def skipped_by_cond() -> TrainStep:
    """The whole update stands in a branch that is taken when the loss is finite."""
    optimizer = optax.adam(1e-2)

    @jax.jit
    def step(state: Any, x: Any, y: Any) -> Any:
        loss, grads = jax.value_and_grad(mse)(state["params"], x, y)

        def update(state: Any) -> Any:
            updates, opt_state = optimizer.update(grads, state["opt"])
            params = optax.apply_updates(state["params"], updates)
            return {"params": params, "opt": opt_state}

        return lax.cond(jnp.isfinite(loss), update, lambda state: state, state), loss

    params = parameters()
    return TrainStep(
        step,
        ({"params": params, "opt": optimizer.init(params)}, X, Y),
        lambda state, x, y: jax.grad(mse)(state["params"], x, y),
        old=lambda args: args[0]["params"],
        new=lambda out: out[0]["params"],
    )


def line_search() -> TrainStep:
    """L-BFGS: further gradients inside a while loop choose the step length."""
    optimizer = optax.lbfgs()

    @jax.jit
    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        def fn(params: Any) -> Any:
            return mse(params, x, y)

        value, grad = jax.value_and_grad(fn)(params)
        updates, state = optimizer.update(
            grad, state, params, value=value, grad=grad, value_fn=fn
        )
        return optax.apply_updates(params, updates), state

    params = jax.tree.map(jnp.asarray, parameters())
    args = (params, optimizer.init(params), X, Y)
    return TrainStep(step, args, _first_of_adam(jax.grad(mse)))


LOOP_STEPS = {
    step.__name__: step
    for step in (
        steps_in_a_scan,
        layers_in_a_scan,
        own_rule,
        meta_learning,
        sharpness_aware,
        gradient_penalty,
        repeated_layers,
        noisy_weights,
        skipped_by_cond,
        line_search,
    )
}
