"""Train steps of plain pytrees, in the ways people write them down."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from tests.steps.train_step import TrainStep, X, Y, mse, parameters, predict


def sgd_by_hand() -> TrainStep:
    @jax.jit
    def update(params: Any, x: Any, y: Any) -> Any:
        grads = jax.grad(mse)(params, x, y)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)

    return TrainStep(update, (parameters(), X, Y), jax.grad(mse), new=lambda out: out)


def linear_regression() -> TrainStep:
    """No pytree: weight and bias are arguments of their own."""

    def loss(w: Any, b: Any, x: Any, y: Any) -> Any:
        return jnp.mean((x @ w + b - y) ** 2)

    @jax.jit
    def step(w: Any, b: Any, x: Any, y: Any) -> Any:
        value, (gw, gb) = jax.value_and_grad(loss, argnums=(0, 1))(w, b, x, y)
        return w - 0.1 * gw, b - 0.1 * gb, value

    params = parameters()
    return TrainStep(
        step,
        (params["w1"][0], params["gain"], X, Y[:, 0]),
        jax.grad(loss, argnums=(0, 1)),
        old=lambda args: args[:2],
        new=lambda out: out[:2],
    )


def logits_and_metrics() -> TrainStep:
    """`value_and_grad` with auxiliary output; the result is nested differently."""
    optimizer = optax.adam(1e-2)

    def loss(params: Any, batch: Any) -> Any:
        logits = predict(params, batch["x"])
        return jnp.mean(optax.squared_error(logits, batch["y"])), {"logits": logits}

    @jax.jit
    def step(params: Any, opt_state: Any, batch: Any) -> Any:
        (value, aux), grads = jax.value_and_grad(loss, has_aux=True)(params, batch)
        updates, opt_state = optimizer.update(grads, opt_state)
        params = optax.apply_updates(params, updates)
        metrics = {"loss": value, **aux}
        return metrics, {"params": params, "opt_state": opt_state}

    params = parameters()
    return TrainStep(
        step,
        (params, optimizer.init(params), {"x": X, "y": Y}),
        lambda params, state, batch: jax.grad(loss, has_aux=True)(params, batch)[0],
        new=lambda out: out[1]["params"],
    )


def bfloat16_gradients() -> TrainStep:
    """Master weights in float32, the loss and its gradients in bfloat16."""
    optimizer = optax.adamw(1e-2)

    def half(tree: Any) -> Any:
        return jax.tree.map(lambda p: p.astype(jnp.bfloat16), tree)

    @jax.jit
    def step(params: Any, opt_state: Any, x: Any, y: Any) -> Any:
        loss, grads = jax.value_and_grad(mse)(half(params), *half((x, y)))
        grads = jax.tree.map(lambda g: g.astype(jnp.float32), grads)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss

    params = parameters()
    return TrainStep(
        step,
        (params, optimizer.init(params), X, Y),
        lambda params, state, x, y: jax.grad(mse)(half(params), *half((x, y))),
        tolerance=2e-2,
    )


def dynamic_loss_scale() -> TrainStep:
    """Gradients of the scaled loss; a step with one that is not finite is skipped."""
    optimizer = optax.sgd(0.1, momentum=0.9)

    @jax.jit
    def step(state: Any, x: Any, y: Any) -> Any:
        params, opt_state, scale = state["params"], state["opt"], state["scale"]

        def scaled(params: Any) -> Any:
            loss = mse(params, x, y)
            return loss * scale, loss

        grads, loss = jax.grad(scaled, has_aux=True)(params)
        grads = jax.tree.map(lambda g: g / scale, grads)
        finite = jnp.all(
            jnp.array([jnp.all(jnp.isfinite(g)) for g in jax.tree.leaves(grads)])
        )
        updates, moved = optimizer.update(grads, opt_state, params)
        new = optax.apply_updates(params, updates), moved
        keep = lambda new, old: jnp.where(finite, new, old)  # noqa: E731
        params, opt_state = jax.tree.map(keep, new, (params, opt_state))
        scale = jnp.where(finite, scale * 2, scale / 2)
        return {"params": params, "opt": opt_state, "scale": scale}, loss

    params = parameters()
    state = {"params": params, "opt": optimizer.init(params), "scale": jnp.float32(64)}
    return TrainStep(
        step,
        (state, X, Y),
        lambda state, x, y: jax.tree.map(
            lambda g: state["scale"] * g, jax.grad(mse)(state["params"], x, y)
        ),
        old=lambda args: args[0]["params"],
        new=lambda out: out[0]["params"],
    )


def two_optimizers() -> TrainStep:
    """Weights by one optimiser, scalars by another; gradients go out as metrics."""
    slow, fast = optax.sgd(1e-2), optax.adam(0.1)

    def split(tree: Any) -> Any:
        scalars = {"gain", "shift"}
        return (
            {k: v for k, v in tree.items() if k not in scalars},
            {k: v for k, v in tree.items() if k in scalars},
        )

    @jax.jit
    def step(params: Any, states: Any, x: Any, y: Any) -> Any:
        grads = jax.grad(mse)(params, x, y)
        new: dict[str, Any] = {}
        new_states = []
        parts = zip((slow, fast), split(grads), states, split(params), strict=True)
        for optimizer, grad, state, part in parts:
            updates, state = optimizer.update(grad, state, part)
            new.update(optax.apply_updates(part, updates))
            new_states.append(state)
        return new, tuple(new_states), {"grads": grads, "norm": optax.tree.norm(grads)}

    params = parameters()
    states = tuple(
        optimizer.init(part)
        for optimizer, part in zip((slow, fast), split(params), strict=True)
    )
    return TrainStep(
        step,
        (params, states, X, Y),
        lambda params, states, x, y: jax.grad(mse)(params, x, y),
    )


def frozen_by_leaving_out() -> TrainStep:
    """Only the head is differentiated; the rest goes through unchanged."""
    optimizer = optax.adam(1e-2)
    params = parameters()
    head, body = {"w2": params["w2"]}, {k: params[k] for k in params if k != "w2"}

    def loss(head: Any, body: Any, x: Any, y: Any) -> Any:
        return mse({**body, **head}, x, y)

    @jax.jit
    def step(state: Any, x: Any, y: Any) -> Any:
        grads = jax.grad(loss)(state["head"], state["body"], x, y)
        updates, opt_state = optimizer.update(grads, state["opt"])
        head = optax.apply_updates(state["head"], updates)
        return {"head": head, "body": state["body"], "opt": opt_state}

    return TrainStep(
        step,
        ({"head": head, "body": body, "opt": optimizer.init(head)}, X, Y),
        lambda state, x, y: jax.grad(lambda h, b: loss(h, b, x, y), argnums=(0, 1))(
            state["head"], state["body"]
        ),
        old=lambda args: (args[0]["head"], args[0]["body"]),
        new=lambda out: (out["head"], out["body"]),
        unidentified={"body": "its new value is its old one"},
    )


PLAIN_STEPS = {
    step.__name__: step
    for step in (
        sgd_by_hand,
        linear_regression,
        logits_and_metrics,
        bfloat16_gradients,
        dynamic_loss_scale,
        two_optimizers,
        frozen_by_leaving_out,
    )
}
