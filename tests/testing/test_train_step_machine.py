"""Sequences of train steps find steps that do not keep their promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.training.train_state import TrainState
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from jaxdebug.testing.stateful.train_step_machine import train_step_machine
from tests.slow import quick_cases

BATCHES = [np.ones((2, 4), np.float32), np.eye(4, dtype=np.float32)[:2]]
QUICK = settings(
    max_examples=20,
    stateful_step_count=8,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[*settings().suppress_health_check],
)


def _loss(params: Any, batch: Any) -> Any:
    return jnp.mean((batch @ params["w"] - 1.0) ** 2)


def make_state() -> dict[str, Any]:
    """The state at first."""
    return {"w": jnp.array([0.1, -0.2, 0.3, 0.4]), "step": jnp.int32(0)}


@jax.jit
def right(state: Any, batch: Any) -> Any:
    """A step without a mistake."""
    gradient = _gradient(state, batch)
    return {"w": state["w"] - 0.1 * gradient, "step": state["step"] + 1}, {}


def _gradient(state: Any, batch: Any) -> Any:
    return jax.grad(lambda w: _loss({"w": w}, batch))(state["w"])


@jax.jit
def counts_by_two(state: Any, batch: Any) -> Any:
    """The count is wrong."""
    state, metrics = right(state, batch)
    return {**state, "step": state["step"] + 1}, metrics


@jax.jit
def turns_wide(state: Any, batch: Any) -> Any:
    """The count becomes a float."""
    state, metrics = right(state, batch)
    return {**state, "step": state["step"] * 1.0}, metrics


@jax.jit
def diverges(state: Any, batch: Any) -> Any:
    """It divides by what is 0 at first."""
    state, metrics = right(state, batch)
    return {**state, "w": state["w"] / (state["step"] - 1)}, metrics


def keeps_outside() -> Callable[..., Any]:
    """A step with something that no checkpoint holds."""
    momentum = [np.zeros(4, np.float32)]

    def step(state: Any, batch: Any) -> Any:
        momentum[0] = 0.5 * momentum[0] + np.asarray(_gradient(state, batch))
        return {"w": state["w"] - 0.1 * momentum[0], "step": state["step"] + 1}

    return step


WRONG: dict[str, tuple[Callable[..., Any], str, dict[str, Any]]] = {
    "counts by two": (counts_by_two, "the count of steps from 0 to 2", {}),
    "turns wide": (turns_wide, r"step: expected int32\[\], found float32\[\]", {}),
    "diverges": (diverges, "w is not finite", {}),
    "keeps outside": (keeps_outside(), "besides its state and batch", {}),
    "skips nothing": (right, "a batch with NaN changed", {"skips_nonfinite": True}),
    "restores the start": (
        right,
        "was not interrupted",
        {"restore": lambda start, saved: start},
    ),
}


def run(step: Any, make: Any = make_state, **arguments: Any) -> None:
    """Run the machine of a step."""
    machine = train_step_machine(make, step, BATCHES, **arguments)
    run_state_machine_as_test(machine, settings=QUICK)


@pytest.mark.parametrize("name", quick_cases(WRONG, ["counts by two"]))
def test_a_wrong_step_is_found(name: str) -> None:
    step, said, arguments = WRONG[name]
    with pytest.raises(AssertionError, match=said):
        run(step, **arguments)


@pytest.mark.slow
def test_a_right_step_passes() -> None:
    run(right)


@pytest.mark.slow
def test_a_step_of_flax_and_optax_that_skips_nonfinite_passes() -> None:
    tx = optax.apply_if_finite(optax.adam(0.1), 100)

    def make() -> TrainState:
        params = {"w": make_state()["w"]}
        return TrainState.create(apply_fn=_loss, params=params, tx=tx)

    @jax.jit
    def step(state: TrainState, batch: Any) -> Any:
        loss, gradients = jax.value_and_grad(_loss)(state.params, batch)
        return state.apply_gradients(grads=gradients), {"loss": loss}

    run(step, make, skips_nonfinite=True)
