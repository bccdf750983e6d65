"""What a watched step makes JAX do besides the step: nothing waits, little is run."""

from __future__ import annotations

from collections import Counter
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import jaxdebug as jd
from tests.training.recorder.dispatched import EXECUTED, SENT, events

CALLS = 20


@jax.jit
def step(w: Any, x: Any) -> Any:
    return w - 0.1 * x, jnp.sum(w)


def _run(step: Any, w: Any, x: Any, calls: int) -> Any:
    for _ in range(calls):
        w, _ = step(w, x)
    return jax.block_until_ready(w)


def test_an_unsampled_call_runs_nothing_beside_the_step() -> None:
    w, x = jnp.ones(3), jnp.ones(3)
    watched = jd.watch(step, every=CALLS + 2, statistics=())
    state = _run(watched, w, x, 2)
    alone = events(lambda: _run(step, w, x, CALLS))
    beside = events(lambda: _run(watched, state, x, CALLS))
    assert alone[EXECUTED] == beside[EXECUTED] == CALLS
    assert beside - alone == Counter({SENT: CALLS})
    assert not alone - beside
    # A sampled one observes, and copies the arguments.
    sampled = events(lambda: _run(watched, watched(state, x)[0], x, 1))
    assert sampled[EXECUTED] == 4, sampled


@pytest.mark.slow
def test_no_call_waits_for_the_step() -> None:
    @jax.jit
    def long(w: Any, x: Any) -> Any:
        w = jax.lax.fori_loop(0, 20_000, lambda _, w: jnp.tanh(w @ w), w + x)
        return w, jnp.sum(w)

    watched = jd.watch(long, every=4)
    w, x = jnp.ones((16, 16)), jnp.ones(())
    for _ in range(2):
        w, _ = watched(w, x)
    jax.block_until_ready(w)
    there = []
    for _ in range(3):  # the last of them is sampled
        w, loss = watched(w, x)
        there.append(loss.is_ready())
    assert not all(there)
    assert [step for step, _ in watched.history.samples] == [0, 4]


@pytest.mark.parametrize("guard", ["disallow", "disallow_explicit"])
def test_what_is_fetched_passes_any_transfer_guard(guard: str) -> None:
    @jax.jit
    def narrow(w: Any, x: Any) -> Any:
        # Of what is narrower than a byte the CPU makes a copy too, which is guarded.
        w = jnp.sqrt(w - x)
        return w, (jnp.sum(w), jnp.sum(x).astype(jnp.float4_e2m1fn))

    found: list[jd.Incident] = []
    watched = jd.watch(narrow, every=2, statistics=(), on_nonfinite=found.append)
    w, xs = jnp.ones(3), [jnp.full((), x) for x in (0, 0, 0, 0, 2.0, 0, 0)]
    with jax.transfer_guard(guard):
        _, (_, scalar) = narrow(w, xs[0])
        with pytest.raises(
            jax.errors.JaxRuntimeError, match="Disallowed device-to-host"
        ):
            scalar.copy_to_host_async()
        for x in xs:
            w, _ = watched(w, x)
        watched.close()
    assert [event.kind for event in watched.history.events] == ["nonfinite"]
    assert [step for step, _ in watched.history.numbers] == [*range(len(xs))]
    assert [(one.step, one.exact) for one in found] == [(4, True)]
