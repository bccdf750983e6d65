"""Healthy trainings raise nothing above information, whatever their steps do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdebug as jd
from jaxdebug.findings import Finding
from tests.findings.controls import CONTROLS, programs
from tests.slow import quick_cases
from tests.training.recorder.steps import DEVICES
from tests.training.recorder.steps import STEPS as MAKES
from tests.training.recorder.trained import batches
from tests.training.trends.trainings import (
    STEPS,
    X,
    alarms,
    loss_of,
    of_trends,
    parameters,
)

# A batch at a time it is healthy; after 200 steps its layer of relu is dead.
LASTING = [name for name in CONTROLS if name != "large learning rate with momentum"]


@pytest.mark.parametrize("name", quick_cases(LASTING, [], slice_of=16))
def test_healthy_models(name: str) -> None:
    init, step, _ = programs(name)
    random = np.random.default_rng(0)
    draw = CONTROLS[name].draw
    state = init(jax.random.key(0), draw(random)[0])
    with jd.watch(step, every=50) as watched:
        for _ in range(STEPS):
            state = watched(state, *draw(random))
    assert not alarms(watched.history.findings)


# Hundreds of steps on devices that share the CPU's threads may end in XLA's abort.
ON_ONE = [name for name in MAKES if name not in DEVICES]


@pytest.mark.parametrize("name", quick_cases(ON_ONE, []))
def test_steps_of_every_make(name: str) -> None:
    def wrap(step: Callable[..., Any]) -> Any:
        return jd.watch(step, every=50)

    watched = MAKES[name](wrap, batches(STEPS)).step
    assert not alarms(watched.history.findings)


Step = Callable[[Any, Any], Any]
FAST, SLOW = optax.adam(1e-2), optax.sgd(1e-2, momentum=0.9)


def _pair() -> Any:
    """A generator and a critic, each with its optimiser."""
    params = parameters()
    return {
        "generator": params["encoder"],
        "critic": params["head"],
        "fast": FAST.init(params["encoder"]),
        "slow": SLOW.init(params["head"]),
        "turn": jnp.zeros((), jnp.int32),
    }


def _in_turn(every: int) -> Step:
    """The critic moves at each step, the generator at every so many-th."""

    def loss(generator: Any, critic: Any, x: Any) -> Any:
        return loss_of({"encoder": generator, "head": critic}, x)

    def generate(state: Any, x: Any) -> Any:
        g = jax.grad(loss)(state["generator"], state["critic"], x)
        updates, fast = FAST.update(g, state["fast"])
        new = optax.apply_updates(state["generator"], updates)
        return state | {"generator": new, "fast": fast}

    def step(state: Any, x: Any) -> Any:
        g = jax.grad(loss, argnums=1)(state["generator"], state["critic"], x)
        updates, slow = SLOW.update(g, state["slow"])
        critic = optax.apply_updates(state["critic"], updates)
        state = state | {"critic": critic, "slow": slow, "turn": state["turn"] + 1}
        due = state["turn"] % every == 0
        return jax.lax.cond(due, generate, lambda state, _: state, state, x)

    return step


def _begins_later(state: Any, x: Any) -> Any:
    """Nothing is learnt before a thousand steps, as with a replay buffer."""

    def learn(params: Any) -> Any:
        return jax.tree.map(
            lambda p, g: p - 0.1 * g, params, jax.grad(loss_of)(params, x)
        )

    params = jax.lax.cond(
        state["step"] >= 1000, learn, lambda params: params, state["params"]
    )
    return {"params": params, "step": state["step"] + 1}


def _seen_through(state: Any, x: Any) -> Any:
    """A picture is optimised; the network that sees it is returned as it is."""
    g = jax.grad(lambda picture: loss_of(state["params"], x + picture))(state["x"])
    return state | {"x": state["x"] - 0.1 * g}


def _with_reference(state: Any, x: Any) -> Any:
    """A penalty for leaving a reference, and an average that is kept."""

    def loss(params: Any) -> Any:
        pairs = zip(*map(jax.tree.leaves, (params, state["reference"])), strict=True)
        return loss_of(params, x) + 0.1 * sum(jnp.sum((a - b) ** 2) for a, b in pairs)

    g = jax.grad(loss)(state["params"])
    params = jax.tree.map(lambda p, g: p - 0.1 * g, state["params"], g)
    average = jax.tree.map(
        lambda old, new: state["decay"] * old + (1 - state["decay"]) * new,
        state["average"],
        params,
    )
    return state | {"params": params, "average": average}


def _copies() -> Any:
    names = "params", "reference", "average"
    return {name: parameters() for name in names} | {"decay": jnp.float32(0.99)}


HEALTHY: Mapping[str, tuple[Step, Callable[[], Any]]] = {
    "two optimisers in turn": (_in_turn(5), _pair),
    "two optimisers, one of them rarely": (_in_turn(300), _pair),
    "learning that begins later": (
        _begins_later,
        lambda: {"params": parameters(), "step": jnp.zeros((), jnp.int32)},
    ),
    "a picture": (
        _seen_through,
        lambda: {"params": parameters(), "x": jnp.zeros((8, 4))},
    ),
    "a reference, an average, a decay in the state": (_with_reference, _copies),
}


def _train(step: Step, state: Any, every: int = 50) -> list[Finding]:
    with jd.watch(jax.jit(step, donate_argnums=0), every=every) as watched:
        for i in range(STEPS):
            state = watched(state, X * (1 + 0.01 * (i % 7)))
    assert not watched.history.events
    return of_trends(watched)


@pytest.mark.parametrize("name", quick_cases(HEALTHY, []))
def test_steps_that_leave_parts_as_they_are(name: str) -> None:
    step, state = HEALTHY[name]
    assert not alarms(_train(step, state()))
