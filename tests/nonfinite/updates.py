"""What fails in the optimiser, after a gradient that is finite, and in train steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tests.nonfinite.case import Cases
from tests.nonfinite.forward import f16, f32

UPDATES = Cases()
UPDATE: dict[str, Any] = {"direction": "update"}


def loss(w: Any, x: Any) -> Any:
    return ((w * x).sum() - 1) ** 2


@UPDATES.add("div", f32(1, 2), f32(1, 0), reason="0/0", **UPDATE)
def adam_without_epsilon(w: Any, x: Any) -> Any:
    g = jax.grad(loss)(w, x)
    m, v = 0.1 * g, 0.001 * g * g
    return w - 0.1 * m / jnp.sqrt(v)  # failed


@UPDATES.add("div", f32(1, 2), f32(1, 0), reason="0/0", **UPDATE)
def adam_of_optax_without_epsilon(w: Any, x: Any) -> Any:
    tx = optax.adam(1e-3, eps=0.0)
    updates, _ = tx.update(jax.grad(loss)(w, x), tx.init(w), w)  # failed
    return optax.apply_updates(w, updates)


@UPDATES.add("div", f32(1, 0), f32(1, 0), reason="0/0", **UPDATE)
def clipped_by_a_norm_of_zero(w: Any, x: Any) -> Any:
    g = jax.grad(loss)(w, x)
    norm = jnp.sqrt(sum(jnp.vdot(leaf, leaf) for leaf in jax.tree.leaves(g)))
    return w - 0.1 * g / norm  # failed


@UPDATES.add("div", f32(1, 2), f32(1, 1), reason="0/0", **UPDATE)
def bias_correction_at_step_zero(w: Any, x: Any) -> Any:
    g = jax.grad(loss)(w, x)
    count = jnp.int32(0) * g[0].astype(jnp.int32)
    m = 0.0 * g
    return w - 0.1 * m / (1 - 0.9**count)  # failed


@UPDATES.add(
    "mul",
    f32(1, 2),
    f32(1, 0),
    cause="rsqrt",
    reason="rsqrt of 0",
    **UPDATE,
    cause_direction="update",
)
def rmsprop_without_epsilon(w: Any, x: Any) -> Any:
    g = jax.grad(loss)(w, x)
    scale = jax.lax.rsqrt(g * g)  # cause
    return w - 0.1 * g * scale  # failed


@UPDATES.add("div", f32(0, 0), f32(1, 0), reason="the norm of a zero vector", **UPDATE)
def trust_ratio_of_a_zero_parameter(w: Any, x: Any) -> Any:
    g = jax.grad(loss)(w, x)
    ratio = jnp.linalg.norm(w * g * 0) / jnp.linalg.norm(0 * g)  # failed
    return w - ratio * g


@UPDATES.add("integer_pow square", f16(1, 2), f16(400, 1), kind="inf", **UPDATE)
def second_moment_in_half_precision(w: Any, x: Any) -> Any:
    g = jax.grad(lambda w: (w * x).sum())(w)
    return w - 0.1 * g, 0.001 * w, g**2  # failed


def train_step(loss_fn: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    tx = optax.adam(1e-2, **options)

    @jax.jit
    def step(params: Any, batch: Any) -> Any:
        state = tx.init(params)
        value, grads = jax.value_and_grad(loss_fn)(params, batch)
        updates, state = tx.update(grads, state, params)  # failed
        return optax.apply_updates(params, updates), state, {"loss": value}

    return step


def params() -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    w = {
        "w1": rng.normal(size=(3, 4)).astype(np.float32),
        "w2": rng.normal(size=(4, 2)).astype(np.float32),
    }
    return w, np.array([[1, 2, 3], [0, 0, 0]], np.float32)


@UPDATES.add("log", make=params, through=train_step, reason="negative")
def step_whose_loss_is_nan(p: Any, x: Any) -> Any:
    with jax.named_scope("head"):
        y = jnp.tanh(x @ p["w1"]) @ p["w2"]
        return -jnp.log(y - 5).mean()  # failed


@UPDATES.add(
    "mul", make=params, through=train_step, cause="div", direction="backward",
    layer="unit", reason="the norm of a zero vector",
)  # fmt: skip
def step_whose_gradient_is_nan(p: Any, x: Any) -> Any:
    with jax.named_scope("unit"):
        h = x @ p["w1"]
        lengths = jnp.sqrt((h**2).sum(-1))  # failed and cause
    return lengths.sum() + (h @ p["w2"]).sum()


@UPDATES.add(
    "div",
    make=params,
    through=lambda f: jax.jit(train_step(f), donate_argnums=0),
    reason="0/0",
)
def donated_step(p: Any, x: Any) -> Any:
    h = x @ p["w1"]
    h = h / jnp.abs(h).sum(-1, keepdims=True)  # failed
    return (h @ p["w2"]).sum()


@UPDATES.add(
    "", make=lambda: (params()[0], np.array([[1, 2, np.nan]], np.float32)),
    through=train_step, given="argument 1",
)  # fmt: skip
def step_on_a_batch_with_a_nan(p: Any, x: Any) -> Any:
    return ((x @ p["w1"]) @ p["w2"]).sum()


@UPDATES.add(
    "div", make=params, through=lambda f: train_step(f, eps=0.0), direction="update",
    source=train_step,
)  # fmt: skip
def step_with_an_unused_parameter(p: Any, x: Any) -> Any:
    return (x @ p["w1"]).sum()


@UPDATES.add("sub", make=params, through=train_step, cause="exp")
def micro_steps_in_a_scan(p: Any, x: Any) -> Any:
    def micro(total: Any, row: Any) -> Any:
        e = jnp.exp(100 * (row @ p["w1"]) ** 2)
        return total + e.sum(), None

    big = jnp.exp(1e3 + 0 * p["w2"].sum())  # cause
    total, _ = jax.lax.scan(micro, big, x * 0)
    return total - total  # failed
