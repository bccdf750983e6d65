"""What is kept for a replay fits into memory, the host's and the device's."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from jaxdebug.training.recorder import flight, kept, past, room, signals, snapshots
from jaxdebug.training.recorder.kept import Fetched

X = np.ones((8, 3), np.float32)


@jax.jit
def step(w: Any, batch: Any) -> Any:
    """The logarithm of what is negative in one batch."""
    loss, g = jax.value_and_grad(lambda w: jnp.mean(jnp.log(batch["x"] @ w)))(w)
    return w + 0.01 * g, loss


def _watched(**settings: Any) -> Any:
    return jd.watch(step, every=20, on_nonfinite=lambda _: None, **settings)


def _run(watched: Any, count: int) -> None:
    w = jnp.ones(3)
    for i in range(count):
        w, _ = watched(w, {"x": jnp.asarray(X * (-1 if i == 9 else 1 + i / 100))})


def _incident(watched: Any) -> jd.Incident:
    _run(watched, 12)
    (incident,) = watched.incidents
    return incident


@pytest.fixture
def accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the memory of arrays were not the host's."""
    for module in (kept, room):
        monkeypatch.setattr(module, "is_in_host_memory", lambda sharding: False)


@pytest.mark.slow
@pytest.mark.usefixtures("accelerator")
def test_batches_of_a_device_are_kept_by_the_host() -> None:
    watched = _watched()
    _run(watched, 5)
    first, *_, last = watched._flight._past.keeping.steps
    assert isinstance(first.values[1][0], Fetched)
    assert isinstance(last.values[1][0], jax.Array), "its numbers may be on their way"
    incident = _incident(_watched())
    assert (incident.step, incident.started, incident.exact) == (9, 0, True)


@pytest.mark.usefixtures("accelerator")
def test_snapshots_leave_the_device_as_much_as_a_step_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copies = 2 * (X.nbytes + 12)
    monkeypatch.setattr(past, "free_memory", lambda leaves: float(copies))
    watched = _watched()
    with pytest.warns(RuntimeWarning, match="no step can be run again"):
        incident = _incident(watched)
    assert "that are free" in incident.unlike


def test_a_snapshot_that_does_not_fit_ends_no_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(arrays: Any) -> Any:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")

    monkeypatch.setattr(snapshots, "_copies", full)
    watched = _watched()
    with pytest.warns(RuntimeWarning, match="does not fit in memory") as warned:
        incident = _incident(watched)
    assert len(warned) == 1
    assert incident.seen == 9
    assert len(watched.history.samples) == 1


def test_a_device_that_is_far_behind_loses_no_sampled_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only two steps are copied until the numbers of one are there."""
    for module in (flight, signals):
        monkeypatch.setattr(module, "has_arrived", lambda array: False)
    watched = jd.watch(step, every=3, on_nonfinite=lambda _: None)
    incident = _incident(watched)
    assert (incident.step, incident.started, incident.exact) == (9, 3, True)


def test_a_step_that_needs_the_memory_itself_gets_it() -> None:
    calls = []

    def tight(w: Any, batch: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return step(w, batch)

    tight.lower = step.lower  # type: ignore[attr-defined]  # as one that is compiled
    watched = jd.watch(tight, every=20)
    with pytest.warns(RuntimeWarning, match="the step itself needs the memory"):
        _run(watched, 5)
    assert watched._flight.step == 5
    assert watched._flight._past.snapshots == []
