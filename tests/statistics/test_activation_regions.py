"""Which regions are activation functions, and what they are called."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxdebug.programs.graph import build_graph
from jaxdebug.programs.layers.activations import activations
from tests.statistics.test_units import INPUTS, OUT, WEIGHTS, measured_activations


def _slow(*case: Any) -> Any:
    return pytest.param(*case, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (jax.nn.gelu, "gelu"),
        _slow(lambda h: jax.nn.gelu(h, approximate=False), "gelu"),
        _slow(lambda h: jax.nn.gelu(h.astype(jnp.float32)).astype(h.dtype), "gelu"),
        _slow(lambda h: h * jax.nn.sigmoid(h), "silu"),
        # 0.02 away from gelu: half precision would take it for that.
        (lambda h: h * jax.nn.sigmoid(1.702 * h), "mul logistic"),
    ],
)
def test_half_precision_keeps_the_names(function: Any, name: str) -> None:
    def model(w: jax.Array) -> jax.Array:
        h = INPUTS.astype(w.dtype) @ w
        return jnp.sum(function(h) @ OUT.astype(w.dtype))

    for dtype in (jnp.bfloat16, jnp.float16):
        traced = jax.make_jaxpr(model)(WEIGHTS.astype(dtype))
        (found,) = activations(build_graph(traced))
        assert found.site.primitive == name


def _pooled(params: Any, x: Any) -> Any:
    h = jnp.tanh(jnp.sum(x @ params["w"], axis=1))
    return jnp.sum((h @ params["o"]) ** 2)


def _normed(params: Any, x: Any) -> Any:
    h = x @ params["w"]
    variance = jnp.maximum(jnp.mean(h * h, 1) - jnp.mean(h, 1) ** 2, 0)
    scale = jnp.sqrt(variance + 1e-5)
    return jnp.sum(((h / scale[:, None]) @ params["o"]) ** 2)


def _normed_over_a_vmap(params: Any, x: Any) -> Any:
    """Equinox's batch normalisation: the examples are a vmap's."""

    def each(h: Any) -> Any:
        mean = lax.pmean(h, "batch")
        variance = lax.pmean((h - mean) * (h - lax.pmean(h, "batch")), "batch")
        scale = jnp.sqrt(jnp.maximum(variance, 0) + 1e-5)
        return jnp.tanh((h - mean) / scale) @ params["o"]

    return jnp.sum(jax.vmap(each, axis_name="batch")(x[:, 0] @ params["w"]) ** 2)


def _clipped(params: Any, x: Any) -> Any:
    return jnp.sum(((x @ params["w"]) * jnp.clip(params["s"], -5, 2)) @ params["o"])


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (_pooled, ["tanh"]),
        (_normed, []),
        (_normed_over_a_vmap, ["tanh"]),
        (_clipped, []),
    ],
)
def test_pooled_features_have_one_and_statistics_none(model: Any, names: Any) -> None:
    params = {"w": WEIGHTS, "o": OUT, "s": jnp.ones(5)}
    images = INPUTS.reshape(8, 5, 6)
    found = measured_activations(jax.value_and_grad(model), params, images)
    assert [site.primitive for site, _ in found] == names
