"""Steps in which no array is the gradient of a leaf, or which invite a wrong one."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from tests.steps.train_step import TrainStep, X, Y, mse, parameters

SEVERAL = "2 arrays could be its gradient"
NONE = "no gradient of its shape leads to its new value"


def _by_hand(step: Any, reason: str) -> TrainStep:
    """A step from parameters to parameters, none with a gradient."""
    return TrainStep(
        step,
        (parameters(), X, Y),
        lambda params, x, y: params,
        new=lambda out: out,
        unidentified=dict.fromkeys(parameters(), reason),
        moved=False,
    )


def two_steps_in_one() -> TrainStep:
    def step(params: Any, x: Any, y: Any) -> Any:
        for _ in range(2):
            grads = jax.grad(mse)(params, x, y)
            params = jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)
        return params

    return _by_hand(step, SEVERAL)


def one_gradient_projected_on_another() -> TrainStep:
    """Gradient surgery: what is added up is no gradient of any loss."""

    def step(params: Any, x: Any, y: Any) -> Any:
        one, other = jax.grad(mse)(params, x, y), jax.grad(mse)(params, y, x)

        def without(a: Any, b: Any) -> Any:
            return a - jnp.minimum(jnp.sum(a * b), 0) / jnp.sum(b * b) * b

        return jax.tree.map(
            lambda p, a, b: p - 0.1 * (without(a, b) + b), params, one, other
        )

    return _by_hand(step, SEVERAL)


def gradients_at_dependent_points() -> TrainStep:
    """The gradient uphill is added to the one that led there."""

    def step(params: Any, x: Any, y: Any) -> Any:
        here = jax.grad(mse)(params, x, y)
        uphill = jax.tree.map(lambda p, g: p + 0.05 * g, params, here)
        there = jax.grad(mse)(uphill, x, y)
        return jax.tree.map(lambda p, a, b: p - 0.1 * (a + b), params, here, there)

    return _by_hand(step, SEVERAL)


def scaled_by_curvature() -> TrainStep:
    """A product with the Hessian leaves the backward part as the gradient does."""

    def step(params: Any, x: Any, y: Any) -> Any:
        gradient = jax.grad(lambda p: mse(p, x, y))
        probe = jax.tree.map(jnp.ones_like, params)
        grads, curvature = jax.jvp(gradient, (params,), (probe,))
        return jax.tree.map(
            lambda p, g, h: p - 0.1 * g / (jnp.abs(h) + 1), params, grads, curvature
        )

    return _by_hand(step, SEVERAL)


def clipped_for_each_example() -> TrainStep:
    """Private training: every example's gradient is clipped before the mean."""

    def step(params: Any, x: Any, y: Any) -> Any:
        rows = jax.vmap(jax.grad(mse), (None, 0, 0))(params, x, y)

        def mean(g: Any) -> Any:
            norms = jnp.sqrt(jnp.sum(g.reshape(len(g), -1) ** 2, axis=1))
            factors = jnp.minimum(1, 0.1 / norms)
            return jnp.mean(g * factors.reshape(-1, *[1] * (g.ndim - 1)), axis=0)

        return jax.tree.map(lambda p, g: p - 0.1 * mean(g), params, rows)

    return _by_hand(step, "each example has a gradient of its own")


def private_optimizer() -> TrainStep:
    """The same by Optax, which mixes the examples by a product."""
    optimizer = optax.contrib.differentially_private_aggregate(1.0, 0.1, key=0)
    state = optimizer.init(parameters())

    def step(params: Any, x: Any, y: Any) -> Any:
        rows = jax.vmap(jax.grad(mse), (None, 0, 0))(params, x, y)
        grads, _ = optimizer.update(rows, state, params)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)

    return _by_hand(step, NONE)


def forward_gradient() -> TrainStep:
    """A directional derivative times its direction: nothing runs backward."""

    def step(params: Any, x: Any, y: Any) -> Any:
        direction = jax.tree.map(jnp.ones_like, params)
        _, slope = jax.jvp(lambda p: mse(p, x, y), (params,), (direction,))
        return jax.tree.map(lambda p, d: p - 0.1 * slope * d, params, direction)

    return _by_hand(step, NONE)


def exchanged_gradients() -> TrainStep:
    """A bug: each matrix is moved by the gradient of the other."""

    def step(params: Any, x: Any, y: Any) -> Any:
        grads = jax.grad(mse)(params, x, y)
        grads = {**grads, "w1": grads["w2"], "w2": grads["w1"]}
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)

    return TrainStep(
        step,
        (parameters(), X, Y),
        jax.grad(mse),
        new=lambda out: out,
        unidentified={
            "w1": f"{NONE}, only that of 0/w2",
            "w2": f"{NONE}, only that of 0/w1",
        },
    )


def forward_array_for_a_gradient() -> TrainStep:
    """A rule whose backward function hands out what the forward one saved."""

    @jax.custom_vjp
    def scale(x: Any, w: Any) -> Any:
        return x * w

    scale.defvjp(lambda x, w: (x * w, x + w), lambda saved, out: (out, saved))

    def loss(params: Any, x: Any) -> Any:
        return jnp.sum(scale(x, params["w"]) * params["v"])

    def step(params: Any, x: Any) -> Any:
        grads = jax.grad(loss)(params, x)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)

    return TrainStep(
        step,
        ({"w": X[0], "v": X[1]}, X[2]),
        jax.grad(loss),
        new=lambda out: out,
        unidentified={"w": NONE},
    )


def state_of_the_loss() -> TrainStep:
    """Carried by the state and read by the loss, yet none a parameter."""

    def loss(params: Any, carried: Any, x: Any, y: Any) -> Any:
        hidden = jnp.tanh(x[0] @ params["w1"] + carried["hidden"])
        mean = 0.9 * carried["mean"] + 0.1 * jnp.mean(x, axis=0)
        out = (hidden - mean) @ params["w2"]
        new = {
            "hidden": hidden,
            "mean": mean,
            "seen": carried["seen"] + 1.0,
            "multiplier": carried["multiplier"] * 1.01,
        }
        penalty = carried["multiplier"] * jnp.sum(params["b1"] ** 2)
        return jnp.mean((out - y[0]) ** 2) + penalty / carried["seen"], new

    def step(params: Any, carried: Any, x: Any, y: Any) -> Any:
        grads, carried = jax.grad(loss, has_aux=True)(params, carried, x, y)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), carried

    params = {name: parameters()[name] for name in ("w1", "w2", "b1")}
    carried = {
        "hidden": X[0],
        "mean": Y[0],
        "seen": jnp.float32(1),
        "multiplier": jnp.float32(0.5),
    }
    return TrainStep(
        step,
        (params, carried, X, Y),
        lambda *args: jax.grad(loss, has_aux=True)(*args)[0],
    )


def a_gradient_function() -> TrainStep:
    """It returns gradients in the structure of the parameters: no train step."""

    def gradients(params: Any, x: Any, y: Any) -> Any:
        return jax.tree.map(lambda g: jnp.clip(g, -1, 1), jax.grad(mse)(params, x, y))

    none: Any = lambda _: ()  # noqa: E731
    args = (parameters(), X, Y)
    return TrainStep(gradients, args, lambda *args: (), old=none, new=none)


TRAPS = {
    step.__name__: step
    for step in (
        two_steps_in_one,
        one_gradient_projected_on_another,
        gradients_at_dependent_points,
        scaled_by_curvature,
        clipped_for_each_example,
        private_optimizer,
        forward_gradient,
        exchanged_gradients,
        forward_array_for_a_gradient,
        state_of_the_loss,
        a_gradient_function,
    )
}
