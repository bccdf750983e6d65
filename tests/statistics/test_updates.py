"""The update of every parameter, and the elements whose update rounding ate."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdebug as jd

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


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("rate", [1e-1, 1e-4])
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


def test_the_core_alone_has_no_updates() -> None:
    optimizer = optax.sgd(0.1)
    step, state = _step_of(optimizer), _state(optimizer, jnp.float32)
    _, stats = jax.jit(jd.probe(step, statistics=()))(state, X)
    kinds = {site.kind for site in stats.sites}
    assert {"parameter", "gradient"} <= kinds
    assert not {"update", "activation"} & kinds
