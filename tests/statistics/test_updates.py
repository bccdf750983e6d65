"""The update of every parameter, and the elements whose update rounding ate."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdebug as jd
from tests.slow import quick_cases

X = jax.random.normal(jax.random.key(0), (8, 3))


def _loss(params: Any, x: jax.Array) -> jax.Array:
    h = jnp.tanh(x.astype(params["w"].dtype) @ params["w"] + params["b"])
    return jnp.mean(h.astype(jnp.float32) ** 2)


def _step_of(optimizer: optax.GradientTransformation) -> Any:
    def step(state: Any, x: jax.Array) -> tuple[Any, jax.Array]:
        params, memory = state
        loss, gradients = jax.value_and_grad(_loss)(params, x)
        updates, memory = optimizer.update(gradients, memory, params)
        return (optax.apply_updates(params, updates), memory), loss

    return step


def _state(optimizer: optax.GradientTransformation, dtype: Any) -> Any:
    w = jax.random.normal(jax.random.key(1), (3, 4)).astype(dtype)
    params = {"w": w, "b": jnp.full(4, 0.5, dtype)}
    return params, optimizer.init(params)


def _update(stats: Any, name: str) -> dict[str, Any]:
    found = [n for s, n in stats if s.kind == "update" and s.path[-1] == name]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    "dtype", quick_cases([jnp.float32, jnp.bfloat16], [jnp.bfloat16])
)
@pytest.mark.parametrize("rate", quick_cases([1e-1, 1e-4], [1e-4]))
def test_updates_are_new_minus_old_and_lost_ones_are_counted(
    dtype: Any, rate: float
) -> None:
    optimizer = optax.adam(rate)
    step, state = _step_of(optimizer), _state(optimizer, dtype)
    (new, _), stats = jax.jit(jd.probe(step))(state, X)
    gradients = jax.grad(_loss)(state[0], X)
    for name in ("w", "b"):
        old_value = np.asarray(state[0][name]).astype(np.float64)
        new_value = np.asarray(new[0][name]).astype(np.float64)
        numbers = _update(stats, name)
        rms = np.sqrt(np.mean((new_value - old_value) ** 2))
        np.testing.assert_allclose(numbers["rms"], rms, rtol=1e-6)
        moved = np.asarray(gradients[name]).astype(np.float64) != 0
        lost = int(np.sum((new_value == old_value) & moved))
        assert int(numbers["lost"]) == lost
        if dtype == jnp.float32:
            assert lost == 0
    if dtype == jnp.bfloat16 and rate == 1e-4:
        assert int(_update(stats, "b")["lost"]) == 4


def test_the_ratio_of_update_and_parameter() -> None:
    optimizer = optax.sgd(1e-2)
    step, (params, memory) = _step_of(optimizer), _state(optimizer, jnp.float32)
    probed = jax.jit(jd.probe(step))
    _, stats = probed((params, memory), X)
    gradients = jax.grad(_loss)(params, X)
    for name in ("w", "b"):
        expected = 1e-2 * jnp.linalg.norm(gradients[name])
        expected /= jnp.linalg.norm(params[name])
        np.testing.assert_allclose(_update(stats, name)["ratio"], expected, rtol=1e-4)

    zeros = jax.tree.map(jnp.zeros_like, params)
    _, stats = probed(({**zeros, "b": params["b"]}, memory), X)
    assert _update(stats, "w")["ratio"] == np.inf
    _, stats = probed((zeros, memory), X)
    assert _update(stats, "w")["ratio"] == 0


@pytest.mark.slow
def test_gradients_that_are_sums_are_marked() -> None:
    def step(params: Any, x: jax.Array) -> Any:
        def add(total: Any, part: jax.Array) -> Any:
            gradients = jax.grad(_loss)(params, part)
            return jax.tree.map(jnp.add, total, gradients), None

        zeros = jax.tree.map(jnp.zeros_like, params)
        total, _ = jax.lax.scan(add, zeros, x.reshape(4, 2, 3))
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, total)

    params, _ = _state(optax.sgd(0.1), jnp.float32)
    _, stats = jax.jit(jd.probe(step))(params, X)
    assert sorted(site.name for site in stats.layout.summed) == ["b", "w"]
    optimizer = optax.sgd(0.1)
    alone = jax.jit(jd.probe(_step_of(optimizer)))
    _, stats = alone(_state(optimizer, jnp.float32), X)
    assert stats.layout.summed == ()


def test_the_core_alone_has_no_updates() -> None:
    optimizer = optax.sgd(0.1)
    step, state = _step_of(optimizer), _state(optimizer, jnp.float32)
    _, stats = jax.jit(jd.probe(step, statistics=()))(state, X)
    kinds = {site.kind for site in stats.sites}
    assert {"parameter", "gradient"} <= kinds
    assert not {"update", "activation"} & kinds


@pytest.mark.parametrize("still", ["kept", "zero", "moved"])
def test_a_frozen_parameter_is_known_and_not_missed(still: str) -> None:
    """A step may hand a leaf on, or add a zero that the optimiser always makes."""

    def step(params: Any, x: jax.Array) -> Any:
        grads = jax.grad(lambda p: jnp.sum((x @ p["a"] @ p["b"]) ** 2))(params)
        moves = jax.tree.map(lambda g: -0.1 * g, grads)
        a = {
            "kept": params["a"],
            "zero": params["a"] + jnp.zeros_like(moves["a"]),
            "moved": params["a"] + moves["a"],
        }
        return {"a": a[still], "b": params["b"] + moves["b"]}

    params = {"a": jnp.ones((3, 2)), "b": jnp.ones((2, 2))}
    _, stats = jax.eval_shape(jd.probe(step), params, jnp.ones((4, 3)))
    reasons = " ".join(reason for _, reason in stats.layout.unidentified)
    assert "value" not in reasons
    assert "update" not in reasons
    assert stats.layout.frozen == (() if still == "moved" else (("a",),))
