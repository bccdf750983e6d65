"""What a step carries besides parameters is measured; what it is given anew is not."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxdebug as jd

X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
PARAMS = {"w": jnp.full((3, 3), 0.5), "b": jnp.zeros(3)}
OPTIMIZER = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-2))


def _loss(params: Any, norm: Any, batch: Any) -> Any:
    """A loss that computes running statistics and a reconstruction itself."""
    x = batch["x"]
    h = (x - x.mean(0)) @ params["w"] + params["b"]
    running = {"mean": 0.9 * norm["mean"] + 0.1 * x.mean(0)}
    return jnp.mean((h - x) ** 2), (running, {"x": x + h})


def _step(params: Any, norm: Any, memory: Any, batch: Any) -> Any:
    gradient = jax.value_and_grad(_loss, has_aux=True)
    (loss, (norm, made)), grads = gradient(params, norm, batch)
    updates, memory = OPTIMIZER.update(grads, memory, params)
    return optax.apply_updates(params, updates), norm, memory, (loss, made), made


def _carried(step: Any, *args: Any) -> dict[str, Any]:
    _, found = jax.jit(jd.probe(step, statistics=("spread", "state")))(*args)
    return {site.name: numbers for site, numbers in found if site.kind == "state"}


def test_moments_and_running_statistics_are_carried_and_a_batch_is_not() -> None:
    norm, batch = {"mean": jnp.ones(3)}, {"x": X}
    memory = OPTIMIZER.init(PARAMS)
    params, norm, memory, *_ = jax.jit(_step)(PARAMS, norm, memory, batch)
    found = _carried(_step, params, norm, memory, batch)
    moments = {f"1/0/{name}/{leaf}" for name in ("mu", "nu") for leaf in PARAMS}
    assert found.keys() == {*moments, "mean"}
    # Of the old value, which the step is given.
    mu: Any = jax.tree.leaves(memory)[2]
    np.testing.assert_allclose(found["1/0/mu/w"]["max"], np.abs(mu).max(), rtol=1e-6)
    assert found["1/0/mu/w"]["count"] == 9
    np.testing.assert_allclose(found["mean"]["mean"], 0.9, rtol=1e-6)


def test_what_trains_nothing_carries_nothing() -> None:
    def average(old: Any, new: Any) -> Any:
        return jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, old, new)

    assert not _carried(average, PARAMS, PARAMS)


def test_it_is_measured_only_if_asked_for() -> None:
    args = PARAMS, {"mean": jnp.ones(3)}, OPTIMIZER.init(PARAMS), {"x": X}
    _, found = jax.eval_shape(jd.probe(_step), *args)
    assert not [site for site in found.sites if site.kind == "state"]
