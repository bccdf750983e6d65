"""What a step must carry on and does not is told; what goes on, or may stay, is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
import pytest
from flax import nnx
from flax.training.train_state import TrainState

import jaxdebug as jd
from jaxdebug.findings import Finding
from tests.slow import quick_cases
from tests.training.trends.trainings import STEPS, X, alarms, of_trends

Step = Callable[[Any, Any], Any]
ADAM = optax.adam(1e-2)


def _run(step: Step, state: Any, every: int = 50) -> list[Finding]:
    with jd.watch(step, every=every) as watched:
        for i in range(STEPS):
            state = watched(state, X * (1 + 0.01 * (i % 7)))
    assert not watched.history.events
    return of_trends(watched)


class Model(nn.Module):
    """A batch norm, dropout and a readout."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.BatchNorm(use_running_average=False)(x)
        x = nn.Dropout(0.2, deterministic=False)(x)
        return nn.Dense(3)(x)


def _linen(
    *, stats: bool = True, count: bool = True, key: str = "split", average: bool = True
) -> list[Finding]:
    """Parameters, batch statistics, an optimiser, an average of parameters, a key."""
    model, first = Model(), jax.random.key(0)
    variables = model.init({"params": first, "dropout": first}, X)
    params = variables["params"]
    state = {
        "params": params,
        "stats": variables["batch_stats"],
        "optimizer": ADAM.init(params),
        "average": jax.tree.map(jnp.copy, params),
        "key": jax.random.key(1),
        "step": jnp.zeros((), jnp.int32),
    }

    @jax.jit
    def step(state: Any, x: Any) -> Any:
        new = dict(state)
        match key:
            case "split":
                new["key"], own = jax.random.split(state["key"])
            case "fold":
                own = jax.random.fold_in(state["key"], state["step"])
                new["step"] = state["step"] + 1
            case "fold, not counted":
                own = jax.random.fold_in(state["key"], state["step"])
            case "constant":
                own = jax.random.key(3)
            case _:
                own = jax.random.split(state["key"])[1]

        def loss(params: Any) -> Any:
            variables = {"params": params, "batch_stats": state["stats"]}
            out, updated = model.apply(
                variables, x, rngs={"dropout": own}, mutable=["batch_stats"]
            )
            return jnp.mean((out - 1.0) ** 2), updated["batch_stats"]

        gradient, updated = jax.grad(loss, has_aux=True)(state["params"])
        updates, optimizer = ADAM.update(gradient, state["optimizer"])
        new["params"] = optax.apply_updates(state["params"], updates)
        mean = optax.incremental_update(new["params"], state["average"], 0.01)
        new |= {"stats": updated} if stats else {}
        new |= {"optimizer": optimizer} if count else {}
        new |= {"average": mean} if average else {}
        return new

    return _run(step, state)


def _nnx(keep: bool) -> list[Finding]:
    """A module that is merged, called, and split again or not."""

    class Net(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.norm = nnx.BatchNorm(4, rngs=rngs)
            self.drop = nnx.Dropout(0.2, rngs=rngs)
            self.out = nnx.Linear(4, 3, rngs=rngs)

        def __call__(self, x: Any) -> Any:
            return self.out(self.drop(self.norm(x)))

    graph, params, rest = nnx.split(Net(nnx.Rngs(0)), nnx.Param, ...)

    @jax.jit
    def step(state: Any, x: Any) -> Any:
        params, rest, optimizer = state

        def loss(params: Any) -> Any:
            model = nnx.merge(graph, params, rest, copy=True)
            value = jnp.mean((model(x) - 1.0) ** 2)
            return value, nnx.split(model, nnx.Param, ...)[2]

        gradient, after = jax.grad(loss, has_aux=True)(params)
        updates, optimizer = ADAM.update(gradient, optimizer)
        params = optax.apply_updates(params, updates)
        return params, after if keep else rest, optimizer

    return _run(step, (params, rest, ADAM.init(params)))


def _train_state(advance: bool) -> list[Finding]:
    """Flax's TrainState, gradients of three steps, a key folded with its step."""
    model = nn.Dense(3)
    state = TrainState.create(
        apply_fn=model.apply,
        params=model.init(jax.random.key(0), X)["params"],
        tx=optax.MultiSteps(ADAM, 3),
    )

    @jax.jit
    def step(state: Any, x: Any) -> Any:
        own = jax.random.fold_in(jax.random.key(7), state.step)
        noise = jax.random.normal(own, x.shape)

        def loss(params: Any) -> Any:
            out = state.apply_fn({"params": params}, x + 0.1 * noise)
            return jnp.mean((out - 1.0) ** 2)

        new = state.apply_gradients(grads=jax.grad(loss)(state.params))
        if advance:
            return new
        return state.replace(params=new.params, opt_state=new.opt_state)

    return _run(step, state)


def _equinox(keep: bool) -> list[Finding]:
    """A batch norm of Equinox and its state."""
    model, stats = eqx.nn.make_with_state(eqx.nn.BatchNorm)(
        4, axis_name="batch", mode="batch"
    )

    @eqx.filter_jit
    def step(state: Any, x: Any) -> Any:
        model, stats = state

        def loss(model: Any) -> Any:
            out, after = jax.vmap(
                model, axis_name="batch", in_axes=(0, None), out_axes=(0, None)
            )(x, stats)
            return jnp.mean((out - 1.0) ** 2), after

        gradient, after = eqx.filter_grad(loss, has_aux=True)(model)
        updates = jax.tree.map(lambda g: -0.01 * g, gradient)
        return eqx.apply_updates(model, updates), after if keep else stats

    return _run(step, (model, stats))


def _not_returned() -> list[Finding]:
    """An optimiser whose state the user's loop keeps as it was."""
    params = jnp.ones((4, 3))
    optimizer = ADAM.init(params)

    @jax.jit
    def step(params: Any, x: Any, optimizer: Any) -> Any:
        gradient = jax.grad(lambda p: jnp.mean((x @ p - 1.0) ** 2))(params)
        updates, _ = ADAM.update(gradient, optimizer)
        return optax.apply_updates(params, updates)

    with jd.watch(step, every=50) as watched:
        for _ in range(STEPS):
            params = watched(params, X, optimizer)
    return of_trends(watched)


def _features(fixed: bool) -> list[Finding]:
    """Random features with a constant key; and noise with it."""
    constant = jax.random.key(5)

    @jax.jit
    def step(params: Any, x: Any) -> Any:
        h = jnp.cos(x @ jax.random.normal(constant, (4, 4)))
        if not fixed:
            h = h + jax.random.normal(constant, h.shape)
        return params - 0.01 * jax.grad(lambda p: jnp.mean((h @ p - 1.0) ** 2))(params)

    return _run(step, jnp.ones((4, 3)))


def _scanned(keep: bool) -> list[Finding]:
    """A raw key, and an average that goes through a scan, in a state without names."""

    @jax.jit
    def step(state: Any, x: Any) -> Any:
        params, average, key = state
        mask = jax.random.bernoulli(key, 0.8, x.shape)

        def micro(carry: Any, row: Any) -> Any:
            params, average = carry
            g = jax.grad(lambda p: jnp.mean((row @ p - 1.0) ** 2))(params)
            mean = 0.9 * average + 0.1 * row
            return (params - 0.01 * g, mean if keep else average), None

        carry, _ = jax.lax.scan(micro, (params, average), jnp.where(mask, x, 0.0))
        return *carry, jax.random.split(key)[0] if keep else key

    return _run(step, (jnp.ones((4, 3)), jnp.zeros(4), jax.random.PRNGKey(0)))


KEY = "repeated-randomness"
OLD = "unwritten-state"
PLANTED: Mapping[str, tuple[Callable[[], list[Finding]], list[tuple[str, str]]]] = {
    "batch statistics": (
        lambda: _linen(stats=False),
        [(OLD, "stats")],
    ),
    "an optimiser's count": (
        lambda: _linen(count=False),
        [(OLD, "optimizer/0/count")],
    ),
    "an average of parameters": (lambda: _linen(average=False), [(OLD, "average")]),
    "one key": (lambda: _linen(key="same"), [(KEY, "key")]),
    "a constant key": (
        lambda: _linen(key="constant"),
        [(KEY, "Model/Dropout_0")],
    ),
    "a key folded with a step that stands still": (
        lambda: _linen(key="fold, not counted"),
        [(KEY, "key, step")],
    ),
    "an NNX module that is not split again": (
        lambda: _nnx(keep=False),
        [
            (KEY, "1/drop/rngs/count, 1/drop/rngs/key"),
            (OLD, "1/drop/rngs/count"),
            (OLD, "1/norm"),
        ],
    ),
    "a TrainState whose step stands still": (
        lambda: _train_state(advance=False),
        [(OLD, "step"), (KEY, "step")],
    ),
    "Equinox": (lambda: _equinox(keep=False), [(OLD, "1/0"), (OLD, "1/1")]),
    "an optimiser that is not returned": (_not_returned, [(OLD, "0/count")]),
    "in a scan": (lambda: _scanned(keep=False), [(KEY, "2"), (OLD, "0/1")]),
    "noise of a constant key": (lambda: _features(fixed=False), [(KEY, "step")]),
}


@pytest.mark.parametrize("name", quick_cases(PLANTED, ["noise of a constant key"]))
def test_what_does_not_go_on_is_told_once(name: str) -> None:
    train, expected = PLANTED[name]
    assert sorted(alarms(train())) == sorted(expected)


HEALTHY: Mapping[str, Callable[[], list[Finding]]] = {
    "all of it": _linen,
    "a key folded with a step": lambda: _linen(key="fold"),
    "NNX": lambda: _nnx(keep=True),
    "a TrainState": lambda: _train_state(advance=True),
    "Equinox": lambda: _equinox(keep=True),
    "in a scan": lambda: _scanned(keep=True),
    "random features": lambda: _features(fixed=True),
}


@pytest.mark.parametrize("name", quick_cases(HEALTHY, ["random features"]))
def test_what_goes_on_or_may_stay_is_not_told(name: str) -> None:
    assert not HEALTHY[name]()
