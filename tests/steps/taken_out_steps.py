"""Train steps with a loop, and what JAX computes of their parameters before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from tests.steps.train_step import TrainStep

_RNG = np.random.default_rng(0)
ROWS = _RNG.normal(size=(5, 4, 3)).astype(np.float32)
SHAPES = {
    "w": (3, 3), "u": (3, 3), "b": (3,), "c": (3,), "scale": (), "gains": (3,),
    "down": (3, 2), "up": (2, 3), "wide": (3, 6),
}  # fmt: skip


def _recurrent(
    cell: Callable[[Any, Any, Any], Any], *names: str, unroll: bool = False
) -> TrainStep:
    params = {name: _RNG.normal(size=SHAPES[name]).astype(np.float32) for name in names}

    def loss(params: Any, rows: Any) -> Any:
        def body(h: Any, row: Any) -> Any:
            h = cell(params, h, row)
            return h, h

        return jnp.mean(lax.scan(body, jnp.zeros((4, 3)), rows)[1] ** 2)

    return _trained(jax.checkpoint(loss) if unroll else loss, params)


def _trained(loss: Callable[[Any, Any], Any], params: Any) -> TrainStep:
    optimizer = optax.chain(optax.clip_by_global_norm(0.1), optax.adam(1e-2))

    @jax.jit
    def step(params: Any, state: Any, rows: Any) -> Any:
        grads = jax.grad(loss)(params, rows)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    args = (params, optimizer.init(params), ROWS)
    return TrainStep(step, args, lambda params, _, rows: jax.grad(loss)(params, rows))


def _added(b: Any) -> Any:
    return jnp.broadcast_to(b, (4, 3))


def broadcast_before_the_loop() -> TrainStep:
    """Two biases of one shape, each repeated for every example."""
    return _recurrent(
        lambda p, h, x: (
            jnp.tanh(x @ p["w"] + _added(p["b"]))
            + jnp.sin(h @ p["u"] + jnp.broadcast_to(p["c"], h.shape))
        ),
        "w", "b", "u", "c",
    )  # fmt: skip


def broadcast_in_remat() -> TrainStep:
    return _recurrent(
        lambda p, h, x: jnp.tanh(x @ p["w"] + h @ p["u"] + _added(p["b"])),
        "w", "u", "b", unroll=True,
    )  # fmt: skip


def scalar_before_the_loop() -> TrainStep:
    """A scalar becomes a whole matrix."""
    return _recurrent(
        lambda p, h, x: jnp.tanh(x @ p["w"] + h) * jnp.full((4, 3), p["scale"]),
        "w", "scale",
    )  # fmt: skip


def normalised_before_the_loop() -> TrainStep:
    """Weight normalisation: a matrix by its norms, times a gain of each column."""
    return _recurrent(
        lambda p, h, x: jnp.tanh(
            x @ (p["gains"] * p["w"] / jnp.linalg.norm(p["w"], axis=0)) + h
        ),
        "w", "gains",
    )  # fmt: skip


def joined_before_the_loop() -> TrainStep:
    """The matrices of a cell stand in one, as do its biases."""
    return _recurrent(
        lambda p, h, x: jnp.tanh(
            jnp.concatenate([x, h], 1) @ jnp.concatenate([p["w"], p["u"]])
            + jnp.broadcast_to(jnp.stack([p["b"], p["c"]]), (4, 2, 3)).sum(1)
        ),
        "w", "u", "b", "c",
    )  # fmt: skip


def taken_apart_before_the_loop() -> TrainStep:
    """One matrix holds those of two gates."""
    return _recurrent(
        lambda p, h, x: jnp.tanh(x @ p["wide"][:, :3] + h @ p["wide"][:, 3:].T),
        "wide",
    )


def multiplied_before_the_loop() -> TrainStep:
    """A low-rank change of a matrix."""
    return _recurrent(
        lambda p, h, x: jnp.tanh(x @ (p["w"] + p["down"] @ p["up"]) + h),
        "w", "down", "up",
    )  # fmt: skip


def cast_before_the_loop() -> TrainStep:
    return _recurrent(
        lambda p, h, x: jnp.tanh(
            x @ p["w"].astype(jnp.float16).astype(jnp.float32) + _added(2 * p["b"]) + h
        ),
        "w", "b",
    )  # fmt: skip


def haiku_lstm() -> TrainStep:
    """Haiku repeats each bias for every example."""

    def unrolled(rows: Any) -> Any:
        core = hk.DeepRNN([hk.LSTM(3), hk.VanillaRNN(3)])
        out, _ = hk.dynamic_unroll(core, rows, core.initial_state(4))
        return jnp.mean(out**2)

    model = hk.without_apply_rng(hk.transform(unrolled))
    return _trained(model.apply, model.init(jax.random.key(0), ROWS))


TAKEN_OUT_STEPS = {
    step.__name__: step
    for step in (
        broadcast_before_the_loop,
        broadcast_in_remat,
        scalar_before_the_loop,
        normalised_before_the_loop,
        joined_before_the_loop,
        taken_apart_before_the_loop,
        multiplied_before_the_loop,
        cast_before_the_loop,
        haiku_lstm,
    )
}
