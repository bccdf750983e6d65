"""A gradient that a step passes over is followed, though every output is finite."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest
from jax.sharding import PartitionSpec as P

import jaxdebug as jd
from jaxdebug.findings import Severity
from tests.slow import quick_cases

OPTIMIZER = optax.apply_if_finite(optax.sgd(0.1), 5)
W = jnp.ones(2)


def loss(w: Any, x: Any) -> Any:
    """The logarithm that fails."""
    return jnp.log(x * w).sum()


def update(w: Any, g: Any) -> Any:
    """One step that passes over what is not finite."""
    updates, _ = OPTIMIZER.update(g, OPTIMIZER.init(w), w)
    return optax.apply_updates(w, updates)


@jax.jit
def plain(w: Any, x: Any) -> Any:
    return update(w, jax.grad(loss)(w, x))


@jax.jit
def by_select(w: Any, x: Any) -> Any:
    g = jax.grad(loss)(w, x)
    return w - 0.1 * jnp.where(jnp.isfinite(g).all(), g, 0.0)


@jax.jit
def in_branch(w: Any, x: Any) -> Any:
    return jax.lax.cond(x.sum() > 1e6, lambda w, x: w, plain, w, x)


@jax.jit
def over_devices(w: Any, x: Any) -> Any:
    mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))

    @partial(jax.shard_map, mesh=mesh, in_specs=(P(), P("data")), out_specs=P())
    def step(w: Any, x: Any) -> Any:
        return update(w, jax.lax.pmean(jax.grad(loss)(w, x), "data"))

    return step(w, x)


STEPS = {
    "plain": plain,
    "by select": by_select,
    "in a branch": in_branch,
    "over devices": over_devices,
}


@pytest.mark.parametrize("name", quick_cases(STEPS, ["plain"]))
def test_the_operation_is_named_and_nothing_fails(name: str) -> None:
    step = STEPS[name]
    report = jd.locate_nonfinite(step)(W, jnp.array([[1.0, 2.0], [3.0, 0.0]]))
    assert report.ok
    (finding,) = report.findings
    assert finding.severity is Severity.WARNING
    assert "a gradient is not" in report.reason
    assert [output.name for output in report.outputs] == ["gradient of 0"]
    made = report.cause or report.failed
    assert made is not None
    assert (made.primitive, made.direction) == ("div", "backward")
    assert "log" in made.reason


@pytest.mark.parametrize("name", quick_cases(STEPS, []))
def test_a_step_with_finite_gradients_has_none(name: str) -> None:
    report = jd.locate_nonfinite(STEPS[name])(W, jnp.ones((2, 2)))
    assert report.ok
    assert (report.findings, report.outputs) == ((), ())
