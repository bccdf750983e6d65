"""Of objects that a step was to change in place, what it never changes is told."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import optax
import pytest
from flax import nnx

import jaxdebug as jd
from tests.slow import quick_cases
from tests.training.trends.trainings import STEPS, X, of_trends


class Net(nnx.Module):
    """One layer."""

    def __init__(self) -> None:
        self.out = nnx.Linear(4, 1, rngs=nnx.Rngs(0))

    def __call__(self, x: Any) -> Any:
        return self.out(x)


def _loss(model: Any, x: Any) -> Any:
    return jnp.mean((model(x) - 1.0) ** 2)


@nnx.jit
def forgotten(model: Any, optimizer: Any, x: Any) -> Any:
    return nnx.value_and_grad(_loss)(model, x)[0]


@nnx.jit
def applied(model: Any, optimizer: Any, x: Any) -> Any:
    value, gradient = nnx.value_and_grad(_loss)(model, x)
    optimizer.update(model, gradient)
    return value


@nnx.jit
def evaluated(model: Any, metric: Any, x: Any) -> Any:
    """At the worst point near the data: a gradient, but none of the parameters."""
    worst = x + 0.1 * jnp.sign(nnx.grad(_loss, argnums=1)(model, x))
    metric.update(values=_loss(model, worst))
    return metric.compute()


def _optimizer(model: Any) -> Any:
    return nnx.Optimizer(model, optax.sgd(1e-2), wrt=nnx.Param)


CASES = {
    "an optimiser that is never applied": (forgotten, _optimizer, True),
    "one that is": (applied, _optimizer, False),
    "a metric": (evaluated, lambda _: nnx.metrics.Average(), False),
}


@pytest.mark.parametrize(
    "name", quick_cases(CASES, ["an optimiser that is never applied"])
)
def test_an_optimiser_that_a_step_forgets_is_found(name: str) -> None:
    step, second, is_found = CASES[name]
    model = Net()
    other = second(model)
    with jd.watch(step, every=50) as watched:
        for i in range(STEPS):
            watched(model, other, X * (1 + 0.01 * (i % 7)))
    found = [(one.code, one.where) for one in of_trends(watched)]
    assert found == [("unchanged-parameter", "all parameters")] * is_found
