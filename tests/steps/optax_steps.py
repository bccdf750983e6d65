"""Train steps in the style of the Optax examples: pure functions of pytrees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from tests.steps.train_step import TrainStep, X, Y, mse, parameters


def _with(
    optimizer: optax.GradientTransformation, loss: Callable[..., Any] = mse
) -> TrainStep:
    """The loop body of nearly every Optax example."""

    @jax.jit
    def step(params: Any, opt_state: Any, x: Any, y: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params, x, y)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, value

    params = parameters()
    return TrainStep(
        step,
        (params, optimizer.init(params), X, Y),
        lambda params, state, x, y: jax.grad(loss)(params, x, y),
    )


def adam() -> TrainStep:
    return _with(optax.adam(1e-2))


def nesterov_with_decayed_matrices() -> TrainStep:
    matrices = optax.add_decayed_weights(
        1e-2, mask=lambda params: jax.tree.map(lambda p: p.ndim > 1, params)
    )
    return _with(optax.chain(matrices, optax.sgd(0.1, momentum=0.9, nesterov=True)))


def clipped_adamw_on_a_schedule() -> TrainStep:
    schedule = optax.warmup_cosine_decay_schedule(0.0, 1e-2, 5, 50)
    return _with(
        optax.chain(
            optax.clip_by_global_norm(0.1), optax.adamw(schedule, nesterov=True)
        )
    )


def injected_learning_rate() -> TrainStep:
    @optax.inject_hyperparams
    def make(learning_rate: Any, clip: Any) -> Any:
        return optax.chain(optax.clip(clip), optax.rmsprop(learning_rate))

    return _with(make(learning_rate=1e-2, clip=0.5))


def multi_steps() -> TrainStep:
    whole = optax.MultiSteps(optax.adamw(1e-2), every_k_schedule=2)
    return _with(whole.gradient_transformation())


def apply_if_finite() -> TrainStep:
    inner = optax.chain(optax.clip_by_global_norm(0.5), optax.lamb(1e-2))
    return _with(optax.apply_if_finite(inner, max_consecutive_errors=3))


def penalty_in_the_loss() -> TrainStep:
    def loss(params: Any, x: Any, y: Any) -> Any:
        weights = [p for p in jax.tree.leaves(params) if p.ndim > 1]
        return mse(params, x, y) + 1e-2 * sum(jnp.sum(w**2) for w in weights)

    return _with(optax.adafactor(1e-2), loss)


def frozen_by_set_to_zero() -> TrainStep:
    labels = {"w1": "still", "b1": "still", "w2": "sgd", "gain": "adam", "shift": "sgd"}
    step = _with(
        optax.multi_transform(
            {
                "still": optax.set_to_zero(),
                "adam": optax.adam(1e-2),
                "sgd": optax.sgd(0.1, momentum=0.5),
            },
            labels,
        )
    )
    still = "its update is always zero"
    return step._replace(unidentified={"w1": still, "b1": still})


def frozen_by_stop_gradient() -> TrainStep:
    def loss(params: Any, x: Any, y: Any) -> Any:
        still = jax.lax.stop_gradient({k: params[k] for k in ("w1", "b1")})
        return mse({**params, **still}, x, y)

    still = "no gradient of its shape leads to its new value"
    step = _with(optax.adamw(1e-2), loss)
    return step._replace(unidentified={"w1": still, "b1": still})


def lookahead() -> TrainStep:
    optimizer = optax.lookahead(optax.sgd(0.1), sync_period=2, slow_step_size=0.5)

    @jax.jit
    def step(params: Any, opt_state: Any, x: Any, y: Any) -> Any:
        grads = jax.grad(mse)(params.fast, x, y)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    params = optax.LookaheadParams.init_synced(parameters())
    return TrainStep(
        step,
        (params, optimizer.init(params), X, Y),
        lambda params, state, x, y: jax.grad(mse)(params.fast, x, y),
        old=lambda args: args[0].fast,
        new=lambda out: out[0].fast,
    )


def bfloat16_weights() -> TrainStep:
    """Everything in bfloat16, the update too: where small updates are lost."""
    step = _with(optax.adam(1e-4))
    params = jax.tree.map(lambda p: jnp.asarray(p, jnp.bfloat16), parameters())
    args = (params, optax.adam(1e-4).init(params), X, Y)
    return step._replace(args=args, tolerance=2e-2)


def flattened() -> TrainStep:
    """`optax.flatten` packs all gradients into one vector and back."""
    return _with(optax.flatten(optax.adam(1e-2)))


def muon() -> TrainStep:
    """Matrices are turned on their side and made orthogonal."""
    optimizer = optax.contrib.muon(1e-2)
    params = {"w1": parameters()["w1"][:, :2], "w2": parameters()["w2"][:2]}

    def loss(params: Any, x: Any, y: Any) -> Any:
        return jnp.mean((jnp.tanh(x @ params["w1"]) @ params["w2"] - y) ** 2)

    step = _with(optimizer, loss)
    return step._replace(args=(params, optimizer.init(params), X, Y))


OPTAX_STEPS = {
    step.__name__: step
    for step in (
        adam,
        nesterov_with_decayed_matrices,
        clipped_adamw_on_a_schedule,
        injected_learning_rate,
        multi_steps,
        apply_if_finite,
        penalty_in_the_loss,
        frozen_by_set_to_zero,
        frozen_by_stop_gradient,
        lookahead,
        bfloat16_weights,
        flattened,
        muon,
    )
}
