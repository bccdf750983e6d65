"""Arrays whose type says how they are sharded, as those of `jax.make_mesh` do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxdebug as jd
from tests.slow import quick_cases
from tests.verification.case import with_rule

X = np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)
W = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)

wrong = with_rule(jnp.tanh, lambda x, g: (1.01 * g * (1 - jnp.tanh(x) ** 2),))


def _placed(kind: AxisType) -> tuple[Any, Any]:
    mesh = jax.make_mesh((jax.device_count(),), ("data",), axis_types=(kind,))
    weights = jax.device_put(W, NamedSharding(mesh, P()))
    return weights, jax.device_put(X, NamedSharding(mesh, P("data")))


def _loss(w: Any, x: Any, activation: Any = jnp.tanh) -> Any:
    with jax.named_scope("dense"):
        h = activation(x @ w)
    return jnp.mean(h**2)


def _step(w: Any, x: Any) -> Any:
    loss, g = jax.value_and_grad(_loss)(w, x)
    return w - 0.1 * g, loss


def _watched(w: Any, x: Any) -> Any:
    watched = jd.watch(jax.jit(_step), every=2)
    for _ in range(3):
        w, _ = watched(w, x)
    ((_, first), _) = watched.history.samples
    assert not watched.history.events
    return first.statistics.summary("0", "gradient")["rms"]


TOOLS: dict[str, Callable[[Any, Any], Any]] = {
    "probe": lambda w, x: jax.jit(jd.probe(_step))(w, x)[1].summary("0", "gradient")[
        "rms"
    ],
    "audit": lambda w, x: jd.audit(_loss)(w, x).loss,
    "gradients": lambda w, x: jd.check_gradients(_loss)(w, x).verdict,
    "second derivatives": lambda w, x: jd.check_gradients(_loss, order=2)(w, x).verdict,
    "a wrong rule": lambda w, x: (
        jd.check_gradients(lambda w, x: _loss(w, x, wrong))(w, x).findings[0].where
    ),
    "over": lambda w, x: jd.check_gradients(_loss, over="examples")(w, x).verdict,
    "precision": lambda w, x: jd.check_precision(_loss)(w, x).verdict,
    "nonfinite": lambda w, x: (
        jd.locate_nonfinite(lambda w, x: jnp.log(_loss(w, x) - 9))(w, x).reason
    ),
    "watch": _watched,
}


@pytest.mark.parametrize("name", quick_cases(TOOLS, ["probe"]))
def test_they_are_looked_at_like_any_other(name: str) -> None:
    explicit = TOOLS[name](*_placed(AxisType.Explicit))
    auto = TOOLS[name](*_placed(AxisType.Auto))
    if isinstance(auto, np.ndarray | float):
        np.testing.assert_allclose(explicit, auto, rtol=1e-6)
    else:
        assert explicit == auto
