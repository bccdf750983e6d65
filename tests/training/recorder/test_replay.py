"""What makes a replay impossible is said; what is no incident is none."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd

X = np.ones((8, 3), np.float32)


@jax.jit
def step(w: Any, x: Any) -> Any:
    """The root of what gets negative after some steps."""
    loss, g = jax.value_and_grad(lambda w: jnp.sum(jnp.sqrt(w)) + jnp.mean(x @ w))(w)
    return w - 0.1 * g, loss


def _incident(watched: Any, change: Any = lambda i, w, x: (w, x)) -> jd.Incident:
    w, x = jnp.ones(3), X.copy()
    for i in range(12):
        w, x = change(i, w, x)
        w, _ = watched(w, x)
    (incident,) = watched.incidents
    return incident


@pytest.fixture
def found() -> list[jd.Incident]:
    return []


def test_a_batch_that_was_written_to_since_is_noticed(found: list[Any]) -> None:
    def change(i: int, w: Any, x: Any) -> Any:
        x += 0.1
        return w, x

    incident = _incident(jd.watch(step, on_nonfinite=found.append), change)
    assert found == [incident]
    assert incident.step is None
    assert "changed in place" in incident.unlike


def test_a_budget_that_is_used_up_is_said(found: list[Any]) -> None:
    copies = 2 * (X.nbytes + 12)
    watched = jd.watch(step, keep=copies + X.nbytes, on_nonfinite=found.append)
    assert "batches took more than was allowed" in _incident(watched).unlike
    watched = jd.watch(step, keep=copies - 1, on_nonfinite=found.append)
    with pytest.warns(RuntimeWarning, match="no step can be run again") as warned:
        incident = _incident(watched)
    assert len(warned) == 1
    assert "two copies of the arguments take" in incident.unlike


def test_a_state_from_elsewhere_begins_a_new_snapshot(found: list[Any]) -> None:
    def change(i: int, w: Any, x: Any) -> Any:
        return (w + 0 if i == 4 else w), x

    watched = jd.watch(step, on_nonfinite=found.append)
    incident = _incident(watched, change)
    assert (incident.started, incident.exact) == (4, True)
    assert next(event.kind for event in watched.history.events) == "state-replaced"


@pytest.mark.slow
def test_a_state_in_another_container_is_the_same_state() -> None:
    @jax.jit
    def packed(state: Any, x: Any) -> Any:
        w, loss = step(state["w"], x)
        return {"w": w}, loss

    watched = jd.watch(packed, every=3)
    state: Any = {"w": 9 * jnp.ones(3)}
    for i in range(7):
        state, _ = watched(dict(state) if i == 5 else state, X)
    assert [event.kind for event in watched.history.events] == []
    assert [step for step, _ in watched.history.samples] == [0, 3, 6]


def test_it_raises_if_asked_to_and_warns_otherwise() -> None:
    with pytest.raises(jd.NonFiniteError, match=r"sqrt of -.*, which is negative"):
        _incident(jd.watch(step, on_nonfinite="raise"))
    with pytest.warns(RuntimeWarning, match=r"sqrt of -.*, which is negative"):
        _incident(jd.watch(step))


def test_what_is_infinite_as_it_was_meant_is_no_incident(found: list[Any]) -> None:
    @jax.jit
    def with_best(w: Any, best: Any, x: Any) -> Any:
        return w * 0.9, jnp.minimum(best, jnp.where(x[0, 0] > 2, 1.0, jnp.inf))

    watched = jd.watch(with_best, on_nonfinite=found.append)
    w, best = jnp.ones(3), jnp.float32(jnp.inf)
    for _ in range(3):
        w, best = watched(w, best, X)
    assert watched.incidents == ()
    assert found == []


@pytest.mark.slow
def test_a_state_on_several_devices_is_replayed() -> None:
    first, second = jax.devices()[:2]
    before = jax.jit(lambda w, x: x * w)

    def by_parts(state: Any, x: Any) -> Any:
        w, v = state
        v, loss = step(v, jax.device_put(before(w, x), second))
        return (w * 0.99, v), loss

    watched = jd.watch(by_parts, every=20, on_nonfinite=lambda _: None)
    state = jax.device_put(jnp.ones(3), first), jax.device_put(jnp.ones(3), second)

    def train(state: Any) -> None:
        for _ in range(12):
            state, _ = watched(state, X)
        watched.close()

    # No one program sees all of it.
    with pytest.warns(RuntimeWarning, match="incompatible devices"):
        train(state)
    (incident,) = watched.incidents
    assert incident.exact
    assert incident.lasts
    assert not [e for e in watched.history.events if e.kind == "watching-off"]


def test_a_step_of_python_is_replayed_though_it_cannot_be_traced() -> None:
    def by_host(w: Any, x: Any) -> Any:
        w, loss = step(w, x)
        if type(loss).__name__.endswith("Tracer"):
            raise ValueError("not in a trace")
        return w, loss

    with pytest.warns(RuntimeWarning, match="arguments and scalars alone"):
        incident = _incident(jd.watch(by_host, on_nonfinite=lambda _: None))
    assert incident.exact
    assert f"cannot be traced: ValueError: not in a trace at {__file__}:" in str(
        incident
    )
