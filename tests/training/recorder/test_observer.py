"""An observation that does not fit is made smaller; a training never fails for it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from jaxdebug.training.recorder import past

X = np.ones((64, 3), np.float32)


@jax.jit
def step(w: Any, x: Any) -> Any:
    loss, g = jax.value_and_grad(lambda w: jnp.mean(jnp.tanh(x @ w) ** 2))(w)
    return w - 0.1 * g, loss


def _run(watched: Any, count: int = 5) -> Any:
    w = jnp.ones((3, 2))
    for _ in range(count):
        w, _ = watched(w, X)
    return w


def _bytes(examples: int) -> int:
    watched = jd.watch(step, every=2)
    _run(watched, 1)
    observer = watched._flight.observer
    (whole,) = observer._made.values()
    return int(whole.memory + (examples * 3 + 6) * 4)


@pytest.mark.slow
def test_part_of_a_batch_is_observed_where_all_of_it_does_not_fit() -> None:
    watched = jd.watch(step, every=2, memory=_bytes(64) - 1)
    with pytest.warns(RuntimeWarning, match="one in 2 examples") as warned:
        w = _run(watched)
    assert len(warned) == 1
    np.testing.assert_array_equal(w, _run(step))
    assert [step for step, _ in watched.history.samples] == [1, 2, 4]
    assert watched._flight.observer.part == 2


@pytest.mark.slow
def test_less_and_less_is_observed_and_in_the_end_nothing() -> None:
    watched = jd.watch(step, every=2, memory=1)
    with pytest.warns(RuntimeWarning) as warned:
        w = _run(watched)
    said = [str(warning.message) for warning in warned]
    assert "arguments and scalars alone" in said[-2]
    assert "nothing is observed any more" in said[-1]
    np.testing.assert_array_equal(w, _run(step))
    assert len(watched.history.numbers) == 5
    # What is needed no more is let go by the scalars alone.
    (last,) = watched._flight._past.snapshots
    assert last.step > 0


def test_a_mistake_of_the_step_is_raised_and_changes_nothing() -> None:
    watched = jd.watch(step, every=1)
    with pytest.raises(TypeError, match="dot_general"):
        watched(jnp.ones((4, 2)), X)
    _run(watched, 2)
    assert len(watched.history.samples) == 2
    assert not watched.history.events


def test_what_fails_in_watching_does_not_end_the_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(*_: Any) -> Any:
        raise RuntimeError("mine")

    monkeypatch.setattr(past, "take", failing)
    with pytest.warns(RuntimeWarning, match="nothing is watched from step 0 on"):
        w = _run(jd.watch(step))
    np.testing.assert_array_equal(w, _run(step))


def test_a_step_inside_a_trace_is_refused() -> None:
    with pytest.raises(TypeError, match="Watch the outermost function"):
        jax.jit(jd.watch(step))(jnp.ones((3, 2)), X)
