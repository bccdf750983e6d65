"""A step that asks for a value on its way is observed and explained up to there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from tests.slow import quick_cases

X = np.ones((4, 3), np.float32)
HERE = "test_until_concrete.py"


def _loss(w: Any, x: Any) -> Any:
    with jax.named_scope("dense"):
        return jnp.mean(jnp.sqrt(x @ w))


@jax.jit
def update(w: Any, x: Any) -> Any:
    loss, g = jax.value_and_grad(_loss)(w, x)
    return w - 0.01 * g, {"loss": loss}


@jax.jit
def gradient(w: Any, x: Any) -> Any:
    return jax.value_and_grad(_loss)(w, x)


def updated_before(w: Any, x: Any) -> Any:
    w, metrics = update(w, x)
    if float(metrics["loss"]) > 1e9:
        raise ValueError("diverged")
    return w, metrics["loss"]


def updated_after(w: Any, x: Any) -> Any:
    loss, g = gradient(w, x)
    rate = 0.01 if np.asarray(loss) > 0 else 0.0
    return w - rate * g, loss


def _is_small(value: Any) -> bool:
    return bool(value < 1e9)


def asked_elsewhere(w: Any, x: Any) -> Any:
    loss, g = gradient(w, x)
    return (w - 0.01 * g if _is_small(loss**2) else w), loss


STEPS = {f.__name__: f for f in (updated_before, updated_after, asked_elsewhere)}


def _train(
    step: Callable[..., Any], batch: Callable[[int], Any], count: int = 6
) -> Any:
    found: list[jd.Incident] = []
    watched = jd.watch(step, every=2, on_nonfinite=found.append)

    def train() -> Any:
        w = jnp.ones(3)
        with watched:
            for i in range(count):
                w, _ = watched(w, batch(i))
        return w

    with pytest.warns(RuntimeWarning, match="not all of the step") as said:
        w = train()
    assert len(said) == 1
    return watched, found, str(said[0].message), w


@pytest.mark.parametrize("name", quick_cases(STEPS, ["updated_before"]))
def test_layers_and_the_operation_are_named(name: str) -> None:
    # The gradient of sqrt(0) is infinite, and the loss is not.
    watched, found, said, _ = _train(STEPS[name], lambda i: X * (i != 3))
    assert f"{HERE}:" in said
    assert "the jitted function" in said
    _, reading = watched.history.samples[0]
    assert ("dense", "output") in [(s.name, s.kind) for s, _ in reading.statistics]
    (incident,) = found
    assert (incident.step, incident.exact) == (3, True)
    made = incident.report.cause or incident.report.failed
    assert made.layer == "dense"
    assert HERE in made.line
    assert f"{HERE}:" in incident.report.notes[-1]


def test_what_the_batch_held_already_is_said() -> None:
    _, (incident,), *_ = _train(updated_before, lambda i: X * (np.nan if i == 3 else 1))
    assert incident.finding.where == "argument 1"


def test_a_healthy_training_is_the_same_and_has_no_finding() -> None:
    def batch(i: int) -> Any:
        return X * (1 + 0.1 * i)

    watched, found, _, w = _train(updated_after, batch)
    alone = jnp.ones(3)
    for i in range(6):
        alone, _ = updated_after(alone, batch(i))
    np.testing.assert_array_equal(w, alone)
    assert not found
    assert not watched.report().findings


def later(w: Any, x: Any) -> Any:
    if float(x.sum()) > 1e9:
        raise ValueError("too large")
    return update(w, x)


def test_where_nothing_comes_before_the_line_and_the_input_are_said() -> None:
    _, found, *_ = _train(later, lambda i: X * (i != 3))
    assert "which operation is not known, because the value of" in str(found[0])
    assert f"{HERE}:" in str(found[0])
    _, found, *_ = _train(later, lambda i: X * (np.nan if i == 3 else 1))
    assert found[0].finding.where == "argument 1"


def test_the_locator_names_it_and_raises_if_there_is_nothing_to_name() -> None:
    report = jd.locate_nonfinite(updated_before)(jnp.ones(3), X * 0)
    assert report.findings[0].where == "dense"
    with pytest.raises(jax.errors.ConcretizationTypeError):
        jd.locate_nonfinite(updated_before)(jnp.ones(3), X)
