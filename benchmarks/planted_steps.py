"""Small trainings whose optimiser, step or state has a fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

import jaxdebug as jd
from benchmarks.planted_fault import Planted
from benchmarks.small_normalised import normalised
from benchmarks.small_sequences import sequences
from benchmarks.small_trainings import (
    MLP,
    classifier,
    cross_entropy,
    digits,
    frozen,
    stepping,
    training,
)


def _without_params(seed: int) -> jd.Workload:
    return stepping(seed, optimizer=optax.adamw(3e-3), given=False)


def _summed(seed: int) -> jd.Workload:
    """Gradients of four parts of a batch are summed and not divided by four."""
    workload = stepping(seed, optimizer=optax.sgd(0.02))
    optimizer = workload.optimizer

    @jax.jit
    def train_step(state: Any, batch: Any) -> Any:
        params, opt_state = state
        parts = jax.tree.map(lambda x: x.reshape(4, -1, *x.shape[1:]), batch)

        def add(total: Any, part: Any) -> Any:
            loss, gradient = jax.value_and_grad(workload.loss_fn)(params, part)
            return jax.tree.map(jnp.add, total, gradient), loss

        zero = jax.tree.map(jnp.zeros_like, params)
        gradient, losses = jax.lax.scan(add, zero, parts)
        updates, opt_state = optimizer.update(gradient, opt_state, params)
        params = optax.apply_updates(params, updates)
        return (params, opt_state), {"loss": losses.mean()}

    return replace(workload, train_step=train_step)


class Normed(nn.Module):
    """A classifier with layer normalisation."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = x.reshape(x.shape[0], -1)
        for _ in range(2):
            x = nn.relu(nn.LayerNorm()(nn.Dense(32)(x)))
        return nn.Dense(10)(x)


def _averaged(seed: int) -> jd.Workload:
    """An average of the parameters is computed and not kept."""
    workload = stepping(seed)
    step: Any = workload.train_step

    @jax.jit
    def train_step(state: Any, batch: Any) -> Any:
        inner, average = state
        inner, metrics = step(inner, batch)
        jax.tree.map(lambda a, p: 0.99 * a + 0.01 * p, average, inner[0])
        return (inner, average), metrics

    return replace(
        workload, train_step=train_step, state=(workload.state, workload.params)
    )


class Half(nn.Module):
    """A classifier whose first layer works with large numbers in float16."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = 2e4 * x.reshape(x.shape[0], -1)
        y = nn.Dense(32, dtype=jnp.float16)(x).astype(jnp.float32)
        return nn.Dense(10)(nn.relu(y) / 2e4)


def _scaled_loss(seed: int) -> jd.Workload:
    """Steps in float16 with a fixed scale, skipped where it overflows."""
    workload = stepping(seed)
    optimizer, scale = workload.optimizer, 2.0**24
    model = MLP(10)

    def scaled(params: Any, batch: Any) -> jax.Array:
        x, y = batch
        low = jax.tree.map(lambda leaf: leaf.astype(jnp.float16), params)
        logits: Any = model.apply({"params": low}, x.astype(jnp.float16))
        return scale * jnp.mean(cross_entropy(logits, y).astype(jnp.float32))

    @jax.jit
    def train_step(state: Any, batch: Any) -> Any:
        params, opt_state = state
        loss, gradients = jax.value_and_grad(scaled)(params, batch)
        gradients = jax.tree.map(lambda g: g / scale, gradients)
        updates, after = optimizer.update(gradients, opt_state, params)
        finite = jnp.isfinite(optax.global_norm(gradients))
        new = (optax.apply_updates(params, updates), after)
        kept = jax.tree.map(lambda a, b: jnp.where(finite, a, b), new, state)
        return kept, {"loss": loss / scale}

    return replace(workload, train_step=train_step)


@jax.tree_util.register_static
@dataclass(frozen=True)
class Count:
    """A number that belongs to the structure of a state."""

    value: int


def _recompiled(seed: int) -> jd.Workload:
    """The number of the step is a part of the program."""
    workload = stepping(seed)
    step: Any = workload.train_step

    @jax.jit
    def train_step(state: Any, batch: Any) -> Any:
        inner, metrics = step(state[0], batch)
        return (inner, Count(state[1].value + 1)), metrics

    return replace(workload, train_step=train_step, state=(workload.state, Count(0)))


def _optimised(optimizer: Any) -> Callable[[int], jd.Workload]:
    return lambda seed: classifier(seed, optimizer=optimizer)


def _low(params: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)


def _tiny(params: Any) -> Any:
    return jax.tree.map(
        lambda w: 1e-4 * w / jnp.std(w) if np.ndim(w) > 1 else w, params
    )


STEPS: Mapping[str, Planted] = {
    "49 weights of 1e-4": Planted(
        lambda seed: classifier(seed, change=_tiny, optimizer=optax.sgd(0.1)),
        ("uses-inputs", "loss-falls"),
    ),
    "52 learning rate times 1000": Planted(
        _optimised(optax.adam(3.0)), ("step-size", "loss-falls")
    ),
    "53 learning rate times 0.0001": Planted(
        _optimised(optax.adam(3e-7)), ("step-size",)
    ),
    "54 learning rate of 0": Planted(_optimised(optax.adam(0.0)), ("loss-falls",)),
    "57 epsilon above the gradients": Planted(
        lambda seed: classifier(
            seed,
            optimizer=optax.adam(3e-3, eps=0.1),
            reduce=lambda each: 1e-3 * jnp.mean(each),
        ),
        ("step-size",),
    ),
    "59 updates not applied": Planted(
        lambda seed: stepping(seed, apply=False), ("train-step",)
    ),
    "60 decay without parameters": Planted(_without_params, ("train-step",)),
    "60 clipped after Adam": Planted(
        _optimised(optax.chain(optax.adam(3e-3), optax.clip_by_global_norm(1.0))),
        ("clipping",),
    ),
    "62 loss clipped": Planted(
        lambda seed: classifier(
            seed, reduce=lambda each: jnp.mean(jnp.minimum(each, 2.3))
        ),
        ("clipped-loss",),
    ),
    "63 other part frozen": Planted(
        lambda seed: frozen(seed, "frozen", "trained"), ("train-step",)
    ),
    "64 frozen part trained": Planted(
        lambda seed: frozen(seed, "trained", "trained"),
        ("train-step",),
        ("frozen-parameter-moved",),
    ),
    "66 accumulated and not divided": Planted(_summed, ("step-agrees",)),
    "67 decay of norm scales": Planted(
        lambda seed: training(
            Normed(), digits(seed), seed, optimizer=optax.adamw(3e-3, weight_decay=2.0)
        ),
        ("weight-decay",),
    ),
    "68 plain SGD on a transformer": Planted(
        lambda seed: sequences(seed, optimizer=optax.sgd(1e-3)), ("step-size",)
    ),
    "70 running averages not kept": Planted(
        lambda seed: normalised(seed, written=False),
        ("train-step",),
        ("unwritten-state",),
    ),
    "72 batch statistics in evaluation": Planted(
        lambda seed: normalised(seed, evaluated=(False, False)),
        ("evaluation-averages",),
    ),
    "73 dropout in evaluation": Planted(
        lambda seed: normalised(seed, evaluated=(True, True)),
        ("evaluation-mode",),
        ("random-evaluation",),
    ),
    "74 same key at every step": Planted(
        lambda seed: normalised(seed, folded=False),
        ("train-step",),
        ("repeated-randomness",),
    ),
    "76 average never kept": Planted(_averaged, ("train-step",), ("unwritten-state",)),
    "78 bfloat16 and small steps": Planted(
        lambda seed: classifier(seed, change=_low, optimizer=optax.adam(1e-5)),
        ("gradients-and-layers", "train-step"),
        ("lost-update", "unchanged-parameter"),
    ),
    "79 float16 near its end": Planted(
        lambda seed: training(Half(), digits(seed), seed),
        ("gradients-and-layers",),
        ("overflow-risk", "nonfinite-loss", "nonfinite-layer"),
    ),
    "80 loss scale too high": Planted(
        _scaled_loss,
        ("train-step",),
        ("nonfinite-step", "skipped-step", "unchanged-parameter"),
    ),
    "85 compiled at every step": Planted(
        _recompiled, ("train-step",), ("compiled-every-step",)
    ),
}
"""By the number of notes on faults of trainings, and what was done."""
