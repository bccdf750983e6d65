"""Steps that keep something outside of their arguments: nothing of it is changed."""

from __future__ import annotations

import random
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd

X = np.ones((4, 3), np.float32)


@jax.jit
def update(w: Any, x: Any) -> Any:
    loss, g = jax.value_and_grad(lambda w: jnp.mean(jnp.log(x @ w) ** 2))(w)
    return w - 0.1 * g, loss


class Trainer:
    """As in many repositories: the state is an attribute."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {"w": None}
        self.steps = 0

    def step(self, x: Any) -> Any:
        if self.state["w"] is None:
            self.state["w"] = jnp.ones(3)
        self.state["w"], loss = update(self.state["w"], x)
        self.steps += 1
        return loss


class Logged:
    """The state is an argument; what was logged, counted and drawn is none."""

    def __init__(self) -> None:
        self.losses: list[Any] = []
        self.noise: list[float] = []
        self.total = 0

    def step(self, w: Any, x: Any) -> Any:
        self.noise.append(random.random() + np.random.rand())
        self.total += 1
        w, loss = update(w, x + 1e-3 * self.noise[-1])
        self.losses.append(loss)
        return w, loss


def _batch(i: int, bad: int | None) -> Any:
    return X * np.nan if i == bad else X * (1 + 0.1 * i)


@pytest.mark.parametrize("bad", [None, 7])
def test_a_state_outside_of_the_arguments_is_left_alone_and_named(
    bad: int | None,
) -> None:
    alone, watched = Trainer(), Trainer()
    found: list[jd.Incident] = []
    step = jd.watch(watched.step, every=3, on_nonfinite=found.append)

    def train() -> None:
        for i in range(9):
            alone.step(_batch(i, bad))
            step(_batch(i, bad))
        step.close()

    with pytest.warns(RuntimeWarning, match=r"\(Trainer.state.w\)") as said:
        train()
    assert len(said) == 1
    assert watched.steps == 9
    np.testing.assert_array_equal(watched.state["w"], alone.state["w"])
    assert [one.seen for one in found] == ([] if bad is None else [7])
    assert all("keeps its state" in one.unlike for one in found)


@pytest.mark.slow
@pytest.mark.parametrize("bad", [None, 7])
def test_what_a_step_logs_counts_and_draws_it_does_once(bad: int | None) -> None:
    left, found = [], list[jd.Incident]()
    for is_watched in (True, False):
        random.seed(0)
        np.random.seed(0)
        logged, w = Logged(), jnp.ones(3)
        step = logged.step
        if is_watched:
            step = jd.watch(step, every=3, on_nonfinite=found.append)
        for i in range(9):
            w, _ = step(w, _batch(i, bad))
        if is_watched:
            step.close()
        left.append((np.asarray(logged.losses), logged.noise, logged.total, w))
    jax.tree.map(np.testing.assert_array_equal, *left)
    assert [one.step for one in found] == ([] if bad is None else [7]), found
    assert not bad or (found[0].report is not None and found[0].report.given)


def test_a_trace_that_raises_leaves_no_tracer_behind() -> None:
    kept: dict[str, Any] = {"w": jnp.ones(3)}

    def loss(x: Any) -> float:
        kept["w"] = kept["w"] * x
        return float(kept["w"].sum())

    watched = jd.watch(loss)
    watched(2 * jnp.ones(3))
    np.testing.assert_array_equal(kept["w"], 2 * np.ones(3))
    with pytest.warns(RuntimeWarning, match="observed from now on"):
        watched.close()
