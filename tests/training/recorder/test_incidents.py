"""Trouble after trouble: each is looked into, steps that were passed over as such."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdebug as jd
from jaxdebug.training.recorder.lookout import MOST
from tests.slow import quick_cases

OPTIMIZER = optax.apply_if_finite(optax.adam(1e-2), 2)
X = np.ones((4, 3), np.float32)


def _loss(w: Any, x: Any) -> Any:
    return jnp.mean(jnp.log(x @ w))


@jax.jit
def with_loss(state: Any, x: Any) -> Any:
    """The loss of a step that is passed over is not finite either."""
    w, inner = state
    value, g = jax.value_and_grad(_loss)(w, x)
    updates, inner = OPTIMIZER.update(g, inner, w)
    return (optax.apply_updates(w, updates), inner), value


@jax.jit
def without_loss(state: Any, x: Any) -> Any:
    return with_loss(state, x)[0]


def _train(step: Any, state: Any, bad: Collection[int], count: int = 16) -> Any:
    for i in range(count):
        out = step(state, X * 0 if i in bad else X * (1 + 0.01 * i))
        state = out if step.__wrapped__ is without_loss else out[0]
    return state


def _watched(step: Callable[..., Any] = with_loss, **settings: Any) -> Any:
    found: list[jd.Incident] = []
    return jd.watch(step, every=5, on_nonfinite=found.append, **settings), found


def _state() -> Any:
    return jnp.ones(3), OPTIMIZER.init(jnp.ones(3))


KINDS = {"with loss": with_loss, "without": without_loss}
MADE = {"with loss": ("log", "forward"), "without": ("div", "backward")}


@pytest.mark.slow
@pytest.mark.parametrize("kind", quick_cases(KINDS, ["with loss"]))
def test_steps_that_are_passed_over_are_each_named(kind: str) -> None:
    watched, found = _watched(KINDS[kind])
    state = _train(watched, _state(), {3, 7, 8})
    watched.close()
    assert [one.step for one in found] == [3, 7, 8]
    for incident in found:
        assert incident.exact
        assert incident.is_skipped
        assert incident.finding.code == "skipped-step"
        made = incident.report.cause or incident.report.failed
        assert (made.primitive, made.direction) == MADE[kind]
    assert watched.report().ok
    alone = _train(_plain(KINDS[kind]), _state(), {3, 7, 8})
    pairs = zip(*map(jax.tree.leaves, (state, alone)), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


def _plain(step: Any) -> Any:
    def call(*args: Any) -> Any:
        return step(*args)

    call.__wrapped__ = step  # type: ignore[attr-defined]
    return call


@pytest.mark.slow
def test_one_that_is_applied_in_the_end_is_an_error() -> None:
    watched, found = _watched()
    _train(watched, _state(), {6, 7, 8, 9}, count=12)
    watched.close()
    assert [(one.step, one.is_skipped) for one in found] == [
        (6, True),
        (7, True),
        (8, False),
    ]
    assert not watched.report().ok
    assert len(watched._flight._past.snapshots) == 0


@pytest.mark.slow
def test_one_that_is_passed_over_is_never_raised() -> None:
    watched = jd.watch(with_loss, every=5, on_nonfinite="raise")

    def train() -> None:
        _train(watched, _state(), {3})
        watched.close()

    with pytest.warns(RuntimeWarning, match="log of 0"):
        train()


@pytest.mark.slow
def test_a_restored_state_that_counted_before_is_no_trouble() -> None:
    watched, found = _watched()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = _train(_plain(with_loss), _state(), {3})
    _train(watched, state, ())
    watched.close()
    assert found == []


@pytest.mark.slow
def test_a_state_that_is_put_back_is_watched_again() -> None:
    @jax.jit
    def applied(w: Any, x: Any) -> Any:
        value, g = jax.value_and_grad(_loss)(w, x)
        return w - 0.1 * g, value

    watched, found = _watched(applied)
    w = jnp.ones(3)
    for i in range(40):
        w, _ = watched(jnp.ones(3) if i in (10, 20, 30) else w, X * (i % 10 != 7))
    watched.close()
    assert [one.step for one in found] == [7, 17, 27]
    again = [event for event in watched.history.events if "again" in event.kind]
    assert [event.step for event in again] == [37]
    assert len(found) == MOST


@jax.jit
def guarded(w: Any, x: Any) -> Any:
    """Passes over its gradient without a word; of a batch of -1 it does not."""
    value, g = jax.value_and_grad(_loss)(w, jnp.abs(x))
    fine = jnp.isfinite(value) | (x[0, 0] < 0)
    return jnp.where(fine, w - 1e-3 * (g + 0 * jnp.log(x[0, 0] + 1)), w), value


@pytest.mark.slow
def test_a_guard_of_the_users_own_passes_over_a_step() -> None:
    watched, found = _watched(guarded)
    w = jnp.ones(3)
    bad = {0: 0, 3: 0, 7: 0, 8: 0, 9: 0, 13: -1}
    for i in range(18):
        w, _ = watched(w, X * bad.get(i, 1))
    watched.close()
    # Of the many that are passed over three are told, and then the one that is not.
    assert [one.step for one in found] == [0, 3, 7, 13]
    assert [one.is_skipped for one in found] == [True, True, True, False]
    assert [one.lasts for one in found] == [False, False, False, True]
    assert all(one.exact for one in found)
    events = [event.step for event in watched.history.events if "again" in event.kind]
    assert events == [8]


@jax.jit
def with_share(w: Any, x: Any) -> Any:
    """The mean over the examples of a class that no batch holds."""
    value, g = jax.value_and_grad(_loss)(w, x)
    other = x[:, 0] > 9
    share = jnp.sum(jnp.where(other, x[:, 1], 0)) / jnp.sum(other)
    return w - 1e-3 * g, {"loss": value, "share": share}


def test_a_metric_that_is_never_a_number_hides_nothing() -> None:
    watched, found = _watched(with_share)
    w = jnp.ones(3)
    for i in range(11):
        w, _ = watched(w, X * (i != 7))
    watched.close()
    metric, loss = found
    assert (metric.step, metric.signs, metric.lasts) == (0, ("share",), False)
    assert "the state that the step left is finite" in str(metric)
    assert (loss.step, loss.signs, loss.lasts) == (7, ("loss",), True)
    assert loss.exact
    made, share = loss.report.failed, metric.report.failed
    assert (made.direction, share.direction) == ("backward", "forward")
    assert made.line != share.line


@pytest.mark.slow
def test_a_state_of_which_part_is_put_back_says_nothing_new() -> None:
    @jax.jit
    def follow(w: Any, target: Any, x: Any) -> Any:
        value, g = jax.value_and_grad(lambda w: _loss(w, x) + (w @ target) ** 2)(w)
        return w - 1e-3 * g, value

    watched, found = _watched(follow)
    w = target = jnp.ones(3)
    for i in range(24):
        w, _ = watched(w, target, X * (i != 7))
        target = w + 0 if i % 4 == 3 else target
    watched.close()
    assert [one.step for one in found] == [7]


@pytest.mark.slow
@pytest.mark.parametrize("returned", [True, False])
def test_micro_steps_that_optax_leaves_out_are_passed_over(returned: bool) -> None:
    optimizer = optax.MultiSteps(
        optax.adam(1e-2), 2, should_skip_update_fn=optax.skip_not_finite
    )

    @jax.jit
    def step(state: Any, x: Any) -> Any:
        w, inner = state
        value, g = jax.value_and_grad(_loss)(w, x)
        updates, inner = optimizer.update(g, inner, w)
        return (optax.apply_updates(w, updates), inner), value * returned

    watched, found = _watched(step)
    state = jnp.ones(3), optimizer.init(jnp.ones(3))
    for i in range(11):
        state, _ = watched(state, X * (i != 6))
    watched.close()
    assert [(one.step, one.is_skipped) for one in found] == [(6, True)]
    assert watched.report().ok


@pytest.mark.parametrize("told", quick_cases([True, False], [False]))
def test_the_cause_stands_before_the_parameters_it_spoilt(
    told: bool, tmp_path: Path
) -> None:
    @jax.jit
    def applied(w: Any, x: Any) -> Any:
        value, g = jax.value_and_grad(lambda w: _loss(w["a"] * w["b"] - w["c"], x))(w)
        w = jax.tree.map(lambda p, g: p - 1e-3 * g, w, g)
        return w, {"loss": value} if told else {}

    w = {"a": jnp.ones(3), "b": jnp.ones(3), "c": jnp.zeros(3)}
    found: list[jd.Incident] = []
    with jd.watch(
        applied, every=2, run_dir=tmp_path, histograms=0, on_nonfinite=found.append
    ) as watched:
        for i in range(8):
            w, _ = watched(w, X * (i != 3))
    assert len(found) == 1
    for findings in (watched.report().findings, jd.load_run(tmp_path).findings):
        errors = [(one.code, one.where) for one in findings if one.severity == "error"]
        assert errors[0][0] == "nonfinite-step"
        assert errors[1:] == [("nonfinite-parameter", "a, b, c")]
