"""Random numbers that are the same at every step are told with the layer that draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

import jaxdebug as jd
from tests.training.trends.trainings import X, of_trends

Key = Callable[[Any], Any]


class Linen(nn.Module):
    """Two layers, and dropout after each, written once."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        for _ in range(2):
            x = nn.Dropout(0.2, deterministic=False)(nn.Dense(3)(x))
        return x


class Dropped(eqx.Module):
    """A layer, and dropout of what it returns."""

    out: eqx.nn.Linear
    drop: eqx.nn.Dropout

    def __call__(self, x: Any, key: Any) -> Any:
        return self.drop(self.out(x), key=key)


def _linen(key_of: Key) -> Any:
    model = Linen()
    params = model.init({"params": jax.random.key(0), "dropout": jax.random.key(0)}, X)

    def loss(params: Any, x: Any, key: Any) -> Any:
        out: Any = model.apply(params, x, rngs={"dropout": key})
        return jnp.mean((out - 1.0) ** 2)

    @jax.jit
    def step(params: Any, x: Any, i: Any) -> Any:
        gradient = jax.grad(loss)(params, x, key_of(i))
        return jax.tree.map(lambda p, g: p - 0.01 * g, params, gradient)

    return step, params


def _equinox(key_of: Key) -> Any:
    model = Dropped(eqx.nn.Linear(4, 3, key=jax.random.key(0)), eqx.nn.Dropout(0.2))

    def loss(model: Any, x: Any, keys: Any) -> Any:
        return jnp.mean((jax.vmap(model)(x, keys) - 1.0) ** 2)

    @eqx.filter_jit
    def step(model: Any, x: Any, i: Any) -> Any:
        gradient = eqx.filter_grad(loss)(model, x, jax.random.split(key_of(i), len(x)))
        return eqx.apply_updates(model, jax.tree.map(lambda g: -0.01 * g, gradient))

    return step, model


MODELS = {
    "Linen": (_linen, "Linen/Dropout_0, Linen/Dropout_1"),
    "Equinox": (_equinox, "drop"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("folded", [False, True])
def test_the_layer_that_draws_the_same_is_named(name: str, folded: bool) -> None:
    make, layer = MODELS[name]
    key = jax.random.key(3)
    step, model = make(lambda i: jax.random.fold_in(key, i) if folded else key)
    with jd.watch(step, every=2) as watched:
        for i in range(3):
            model = watched(model, X, jnp.int32(i))
    found = [(one.code, one.where) for one in of_trends(watched)]
    assert found == ([] if folded else [("repeated-randomness", layer)])
