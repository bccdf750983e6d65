"""Modules with one mistake in their state, mode or randomness, and right ones."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import nnx

from tests.testing.mutant import IMAGES, SEQUENCES, mutant_module, right_module


class _Averaged(nn.Module):
    """Divides by a running average of sizes, which it updates when it is told to."""

    always: bool = False
    by_batch: bool = False

    @nn.compact
    def __call__(self, x: Any, train: bool = False) -> Any:
        size = self.variable("stats", "size", lambda: jnp.float32(1.0))
        now = jnp.mean(jnp.abs(x))
        if (train or self.always) and not self.is_initializing():
            size.value = 0.9 * size.value + 0.1 * now
        return x / (1 + (now if train or self.by_batch else size.value))


@right_module()
def averages_in_training() -> Any:
    return _Averaged()


@mutant_module("evaluation-keeps-state")
def averages_in_evaluation() -> Any:
    return _Averaged(always=True)


@mutant_module("rows-independent")
def batch_statistics_in_evaluation() -> Any:
    return _Averaged(by_batch=True)


@mutant_module("evaluation-keeps-state")
def batch_norm_left_in_training() -> Any:
    return nn.BatchNorm(use_running_average=False)


class _Counted(nnx.Module):
    """Counts its calls, and may compute with the count."""

    def __init__(self, *, leaks: bool) -> None:
        self.count = nnx.BatchStat(jnp.float32(0))
        self.scale = nnx.Param(jnp.ones(4))
        self.leaks = leaks

    def __call__(self, x: Any) -> Any:
        if self.leaks:
            self.count[...] = self.count[...] + 1
        return x * self.scale[...] / (1 + self.count[...])


@right_module()
def counts_nothing() -> Any:
    return _Counted(leaks=False)


@mutant_module("evaluation-keeps-state")
def counts_its_calls() -> Any:
    return _Counted(leaks=True)


class _Remembers(nn.Module):
    """Adds the batch that it has seen last."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        last = self.variable("cache", "last", jnp.zeros, x.shape[1:])
        seen = last.value
        last.value = x.mean(0)
        return x + seen


@mutant_module("evaluation-keeps-state")
def remembers_the_last_batch() -> Any:
    return _Remembers()


class _Noisy(nn.Module):
    """Adds noise to what it is given, in training or always."""

    always: bool = False

    @nn.compact
    def __call__(self, x: Any, train: bool = False) -> Any:
        if not (train or self.always):
            return x
        return x + 0.01 * jax.random.normal(self.make_rng("params"), x.shape)


@right_module()
def noisy_in_training() -> Any:
    return _Noisy()


@mutant_module("deterministic")
def noisy_in_evaluation() -> Any:
    return _Noisy(always=True)


@mutant_module("same-in-training", declare=["same-in-training"])
def scaled_in_evaluation_alone() -> Any:
    def layer(x: Any, train: bool = False) -> Any:
        return x if train else 0.9 * x

    return layer


@right_module(declare=["same-in-training"])
def told_of_training_for_nothing() -> Any:
    def layer(x: Any, train: bool = False) -> Any:
        return jnp.tanh(x)

    return layer


@mutant_module("translation-equivariant", declare=["translation-equivariant"], **IMAGES)
def zeros_beyond_the_edge() -> Any:
    return nn.Conv(3, (3, 3), padding="SAME")


@right_module(declare=["translation-equivariant"], **IMAGES)
def turned_around_at_the_edge() -> Any:
    return nn.Conv(3, (3, 3), padding="CIRCULAR")


@mutant_module("causal", declare=["causal"], **SEQUENCES)
def padded_on_both_sides() -> Any:
    return nn.Conv(3, (3,), padding="SAME")


@right_module(declare=["causal"], **SEQUENCES)
def padded_before() -> Any:
    return nn.Conv(3, (3,), padding="CAUSAL")
