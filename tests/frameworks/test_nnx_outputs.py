"""Outputs and cotangents of NNX modules are those that Flax has itself."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx

from tests.frameworks.nnx_grid import MODELS, loss, said_by_flax
from tests.frameworks.recorded import (
    Arrays,
    assert_same,
    by_name,
    recorded,
)
from tests.slow import quick_cases

WAYS = ("object", "merged", "built")


@cache
def drawn(name: str) -> tuple[Any, Any]:
    """Graph definition and state of a model; no initialiser is compiled."""
    cls, _ = MODELS[name]
    definition, shapes = nnx.split(nnx.eval_shape(lambda: cls(nnx.Rngs(0))))
    rng = np.random.default_rng(1)

    def draw(leaf: Any) -> Any:
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.extended):
            return jax.random.key(3) if not leaf.shape else None
        if not jax.numpy.issubdtype(leaf.dtype, np.inexact):
            return np.zeros(leaf.shape, leaf.dtype)
        return rng.normal(size=leaf.shape).astype(leaf.dtype) * 0.5 + 0.1

    return definition, jax.tree.map(draw, shapes)


@cache
def wanted(name: str) -> Arrays:
    definition, state = drawn(name)

    def make(state: Any) -> Any:
        return nnx.merge(definition, state, copy=True)

    compiled = jax.jit(lambda state, x: said_by_flax(make, state, x))
    return jax.device_get(compiled(state, MODELS[name][1]))


@pytest.mark.parametrize("way", quick_cases(WAYS, [*WAYS][:1]))
@pytest.mark.parametrize("name", quick_cases(MODELS, ["nested"], slice_of=9))
def test_every_layer_is_flax_own(name: str, way: str) -> None:
    """Models given as objects, merged from a definition, or built inside."""
    definition, state = drawn(name)
    x = MODELS[name][1]

    def merged(state: Any, x: Any) -> Any:
        def scalar(params: Any) -> Any:
            return loss(nnx.merge(definition, params, rest, copy=True), x)

        _, params, rest = nnx.split(nnx.merge(definition, state), nnx.Param, ...)
        return jax.value_and_grad(scalar)(params)

    def of_object(model: Any, x: Any) -> Any:
        return nnx.value_and_grad(loss)(model, x)

    def built(values: Any, x: Any) -> Any:
        model = MODELS[name][0](nnx.Rngs(0))
        nnx.update(model, values)
        return nnx.value_and_grad(loss)(model, x)

    if way == "built":
        args = (nnx.to_pure_dict(state), x)
        found = recorded(built, *args)
    elif way == "object":
        args = (nnx.merge(definition, state), x)
        found = recorded(of_object, *args)
    else:
        args = (state, x)
        found = recorded(merged, *args)
    assert found.layers.unidentified == ()
    _, sites = jax.jit(found.run)(*args)
    assert_same(by_name(jax.device_get(sites)), wanted(name))
