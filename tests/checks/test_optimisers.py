"""What the optimiser and the step do to the parameters: planted mistakes and twins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest

import jaxdebug as jd
from jaxdebug.checks.learning.clipping import clipping
from jaxdebug.checks.learning.step_agrees import step_agrees
from jaxdebug.checks.learning.weight_decay import weight_decay
from jaxdebug.checks.outcome import CannotRun
from jaxdebug.checks.subject import Subject
from tests.checks.small_workloads import classifier, codes, loss_fn

CLIP = optax.clip_by_global_norm(1.0)


@pytest.mark.parametrize(
    ("optimizer", "found"),
    [
        (optax.chain(CLIP, optax.adam(1e-2)), []),
        (optax.chain(optax.adam(1e-2), CLIP), ["clipped-update"]),
        (optax.chain(optax.trace(0.9), CLIP, optax.scale(-0.1)), ["clipped-update"]),
        (optax.chain(CLIP, optax.adam(1e-2), CLIP), []),
        (optax.lamb(1e-2), []),
        (optax.sgd(0.1), []),
        (optax.MultiSteps(optax.chain(CLIP, optax.adam(1e-2)), 4), []),
        (
            optax.MultiSteps(optax.chain(optax.adam(1e-2), CLIP), 4),
            ["clipped-update"],
        ),
    ],
    ids=[
        "before",
        "after",
        "after-momentum",
        "both",
        "lamb",
        "none",
        "accumulated-before",
        "accumulated-after",
    ],
)
def test_a_norm_is_clipped_before_the_moments(optimizer: Any, found: list[str]) -> None:
    assert codes(clipping(Subject(classifier(optimizer=optimizer)))) == found


@pytest.mark.parametrize(
    ("optimizer", "found"),
    [
        (optax.adamw(1e-2, weight_decay=0.1), []),
        (optax.adamw(1e-2, weight_decay=100.0), ["strong-decay"]),
        (optax.lamb(1e-2), []),
    ],
    ids=["decay", "strong", "trust-ratio"],
)
def test_a_decay_that_outweighs_the_gradient_is_found(
    optimizer: Any, found: list[str]
) -> None:
    outcome = weight_decay(Subject(classifier(optimizer=optimizer)))
    assert codes(outcome) == found, outcome.said


def stepping(factor: float, optimizer: Any, averaged: bool = False) -> jd.Workload:
    """A step that multiplies its gradients, and may keep an average."""

    @jax.jit
    def train_step(state: Any, batch: Any) -> Any:
        params, opt_state, average = state
        gradients = jax.grad(loss_fn)(params, batch)
        gradients = jax.tree.map(lambda g: factor * g, gradients)
        updates, opt_state = optimizer.update(gradients, opt_state, params)
        params = optax.apply_updates(params, updates)
        if averaged:
            average = jax.tree.map(lambda a, p: 0.9 * a + 0.1 * p, average, params)
        return (params, opt_state, average), {}

    params = jax.tree.map(jnp.asarray, classifier().params)
    state = (params, optimizer.init(params), params if averaged else ())
    return classifier(optimizer=optimizer, train_step=train_step, state=state)


@pytest.mark.parametrize(
    ("factor", "optimizer", "found"),
    [
        (1.0, optax.sgd(0.1), []),
        (4.0, optax.sgd(0.1), ["other-step-size"]),
        (0.25, optax.sgd(0.1), ["other-step-size"]),
        (4.0, optax.adam(0.1), []),
        (1.0, optax.sgd(optax.linear_schedule(0.0, 0.1, 100)), []),
        (-1.0, optax.sgd(0.1), ["opposite-step"]),
    ],
    ids=["right", "summed", "divided", "adam", "warm-up", "uphill"],
)
def test_a_step_that_moves_further_is_found(
    factor: float, optimizer: Any, found: list[str]
) -> None:
    outcome = step_agrees(Subject(stepping(factor, optimizer)))
    assert codes(outcome) == found, outcome.said


def keeping(keep: str, optimizer: Any) -> jd.Workload:
    """A step that may forget its optimiser's state, or pile up gradients."""

    @jax.jit
    def train_step(state: Any, batch: Any) -> Any:
        params, opt_state, gathered = state
        gradients = jax.grad(loss_fn)(params, batch)
        if keep == "gradients":
            gradients = jax.tree.map(jnp.add, gathered, gradients)
        if keep == "nothing":
            opt_state = optimizer.init(params)
        updates, opt_state = optimizer.update(gradients, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state, gradients), {}

    params = jax.tree.map(jnp.asarray, classifier().params)
    state = (params, optimizer.init(params), jax.tree.map(jnp.zeros_like, params))
    return classifier(optimizer=optimizer, train_step=train_step, state=state)


@pytest.mark.parametrize("optimizer", [optax.adam(0.03), optax.sgd(0.1, momentum=0.9)])
@pytest.mark.parametrize(
    ("keep", "found"),
    [("state", []), ("gradients", ["steps-part"]), ("nothing", ["steps-part"])],
)
def test_a_step_that_keeps_other_things_is_found(
    keep: str, optimizer: Any, found: list[str]
) -> None:
    outcome = step_agrees(Subject(keeping(keep, optimizer)))
    assert codes(outcome) == found, outcome.said


def test_parameters_are_told_from_their_average() -> None:
    summed = step_agrees(Subject(stepping(4.0, optax.sgd(0.1), averaged=True)))
    assert codes(summed) == ["other-step-size"]
    assert summed.numbers["ratio"] == pytest.approx(4.0, rel=0.01)


def test_a_state_without_the_parameters_is_said() -> None:
    workload = stepping(1.0, optax.sgd(0.1))
    state: Any = workload.state
    moved = jax.tree.map(lambda leaf: leaf + 1, state[0])
    other = classifier(train_step=workload.train_step, state=(moved, *state[1:]))
    with pytest.raises(CannotRun, match="expected the parameters in `state`"):
        step_agrees(Subject(other))


def test_a_step_that_returns_no_state_is_not_compared() -> None:
    workload = replace(stepping(1.0, optax.sgd(0.1)), train_step=lambda s, b: (0.0, s))
    with pytest.raises(CannotRun, match=r"return \(state, metrics\), the state first"):
        step_agrees(Subject(workload))
