"""Parameters and gradients of train steps: right, or said to be not identified."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.training.train_state import TrainState

from jaxdebug.statistics.probe import probe
from tests.slow import quick_cases

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3)).astype(np.float32)
# Two leaves of one shape, so that a gradient can be taken for another's.
PARAMS = {
    name: RNG.normal(size=shape).astype(np.float32)
    for name, shape in {"w1": (3, 3), "w2": (3, 3), "b": (3,)}.items()
}


def loss(params: Any, x: jax.Array) -> jax.Array:
    hidden = jnp.tanh(x @ params["w1"] + params["b"])
    return jnp.mean((hidden @ params["w2"] - x) ** 2)


def decayed(params: Any, x: jax.Array) -> jax.Array:
    return loss(params, x) + 0.1 * sum(jnp.sum(p**2) for p in params.values())


class Step(NamedTuple):
    """A train step, its arguments and the gradients it computes."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    gradients: Callable[[Any, Any], Any]
    unidentified: frozenset[str] = frozenset()


def by_optax(optimizer: optax.GradientTransformation, objective: Any = loss) -> Step:
    def step(params: Any, state: Any, x: jax.Array) -> Any:
        value, grads = jax.value_and_grad(objective)(params, x)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state, value

    return Step(step, (PARAMS, optimizer.init(PARAMS), X), jax.grad(objective))


def by_hand() -> Step:
    def step(params: Any, x: jax.Array) -> Any:
        grads = jax.grad(loss)(params, x)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)

    return Step(step, (PARAMS, X), jax.grad(loss))


def accumulated() -> Step:
    """The gradient is the sum over micro-batches, as it leaves the scan."""
    optimizer = optax.adam(0.1)

    def step(params: Any, state: Any, x: jax.Array) -> Any:
        def body(total: Any, row: jax.Array) -> Any:
            grads = jax.grad(loss)(params, row[None])
            return jax.tree.map(jnp.add, total, grads), None

        zeros = jax.tree.map(jnp.zeros_like, params)
        total, _ = jax.lax.scan(body, zeros, x)
        grads = jax.tree.map(lambda g: g / x.shape[0], total)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    def total(params: Any, x: Any) -> Any:
        rows = jax.vmap(lambda row: jax.grad(loss)(params, row[None]))(x)
        return jax.tree.map(lambda g: g.sum(0), rows)

    return Step(step, (PARAMS, optimizer.init(PARAMS), X), total)


def in_a_train_state() -> Step:
    def step(state: Any, x: jax.Array) -> Any:
        grads = jax.grad(loss)(state.params, x)
        return state.apply_gradients(grads=grads), {"norm": optax.tree.norm(grads)}

    optimizer = optax.chain(optax.clip_by_global_norm(0.1), optax.adamw(0.1))
    state = TrainState.create(apply_fn=None, params=PARAMS, tx=optimizer)
    return Step(step, (state, X), lambda params, x: jax.grad(loss)(params, x))


def two_optimisers() -> Step:
    first, second = optax.sgd(0.1), optax.adam(0.1)

    def split(tree: Any) -> Any:
        return {"w1": tree["w1"]}, {k: v for k, v in tree.items() if k != "w1"}

    def step(params: Any, states: Any, x: jax.Array) -> Any:
        grads = split(jax.grad(loss)(params, x))
        new, new_states = {}, []
        pairs = zip((first, second), grads, states, split(params), strict=True)
        for optimizer, grad, state, part in pairs:
            updates, state = optimizer.update(grad, state, part)
            new.update(optax.apply_updates(part, updates))
            new_states.append(state)
        return new, tuple(new_states)

    halves = split(PARAMS)
    states = (first.init(halves[0]), second.init(halves[1]))
    return Step(step, (PARAMS, states, X), jax.grad(loss))


def two_gradients() -> Step:
    """Two gradients, one divided by the other: neither is the gradient of a leaf."""

    def step(params: Any, x: jax.Array) -> Any:
        one = jax.grad(loss)(params, x)
        other = jax.grad(lambda p: jnp.sum(p["w1"] @ p["w2"] + p["b"]))(params)
        return jax.tree.map(lambda p, a, b: p - 0.1 * a / (b + 9), params, one, other)

    return Step(step, (PARAMS, X), jax.grad(loss), frozenset(PARAMS))


QUICK = ("adam", "accumulated", "two_optimisers", "two_gradients")
STEPS: dict[str, Callable[[], Step]] = {
    "by_hand": by_hand,
    "sgd": lambda: by_optax(optax.sgd(0.1, momentum=0.9, nesterov=True)),
    "adam": lambda: by_optax(optax.adam(0.1)),
    "clip": lambda: by_optax(
        optax.chain(optax.clip_by_global_norm(0.1), optax.adam(0.1))
    ),
    "multi_steps": lambda: by_optax(
        optax.MultiSteps(optax.adam(0.1), 2).gradient_transformation()
    ),
    "weight_decay": lambda: by_optax(
        optax.chain(optax.add_decayed_weights(0.1), optax.sgd(0.1))
    ),
    "penalty": lambda: by_optax(optax.sgd(0.1), decayed),
    "accumulated": accumulated,
    "train_state": in_a_train_state,
    "two_optimisers": two_optimisers,
    "two_gradients": two_gradients,
}


@pytest.mark.parametrize("name", quick_cases(STEPS, QUICK))
def test_gradients_are_right_or_not_identified(name: str) -> None:
    step = STEPS[name]()

    def everything(*args: Any) -> Any:
        _, statistics = probe(step.function, statistics=())(*args)
        return statistics, step.gradients(PARAMS, args[-1])

    compiled = jax.jit(everything)
    statistics, gradients = compiled(*step.args)
    unidentified = {path[-1] for path, _ in statistics.layout.unidentified}
    assert unidentified & PARAMS.keys() == step.unidentified
    found = {"parameter": set(), "gradient": set()}
    for site, numbers in statistics:
        if site.kind not in found:
            continue
        leaf = site.path[-1]
        found[site.kind].add(leaf)
        assert site.shape == PARAMS[leaf].shape
        wanted = PARAMS if site.kind == "parameter" else gradients
        array = np.asarray(wanted[leaf], np.float64)
        axes = tuple(range(array.ndim - len(site.shape), array.ndim))
        rms = np.sqrt((array**2).mean(axis=axes))
        np.testing.assert_allclose(numbers["rms"], rms, rtol=1e-5)
    assert found["parameter"] == set(PARAMS)
    assert found["gradient"] == set(PARAMS) - step.unidentified
