"""Feature maps: which layer outputs are some, and that their axes are told apart."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import nnx
from jax import lax

import jaxdebug as jd
from jaxdebug.frameworks import modules

BATCH, ROWS, COLUMNS = 3, 6, 5


def images(channels_first: bool = False) -> jax.Array:
    """Of two channels; no axis is as long as another."""
    shape = (2, ROWS, COLUMNS) if channels_first else (ROWS, COLUMNS, 2)
    drawn = np.random.default_rng(0).normal(size=(BATCH, *shape))
    return jnp.asarray(drawn, jnp.float32)


def maps_of(fn: Any, *args: Any) -> dict[str, np.ndarray]:
    """By the name of the layer."""
    statistics = jax.jit(lambda *a: jd.probe(fn, statistics="maps")(*a)[1])(*args)
    return {site.name: n["map"] for site, n in statistics if "map" in n}


def shapes_of(fn: Any, *args: Any) -> dict[str, tuple[int, ...]]:
    """Of the maps, by the last name of the layer; nothing is run."""
    statistics = jax.eval_shape(
        lambda *a: jd.probe(fn, statistics="maps")(*a)[1], *args
    )
    return {
        site.path[-1]: extra.record.shape
        for sites, extra in zip(
            statistics.layout.extras, statistics.extras, strict=True
        )
        for site in sites
    }


class Net(nn.Module):
    """A convolution, a norm, a dense layer on each pixel, and a head on all."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(nn.Conv(4, (3, 3), name="conv")(x))
        x = nn.LayerNorm(name="norm")(nn.max_pool(x, (2, 1), (2, 1)))
        x = nn.Dense(7, name="pixel")(x)
        return nn.Dense(1, name="head")(x.reshape(x.shape[0], -1))


def test_layers_after_a_convolution_are_maps_and_others_are_none() -> None:
    net, x = Net(), images()
    variables = jax.eval_shape(net.init, jax.random.key(0), x)
    assert shapes_of(net.apply, variables, x) == {
        "conv": (ROWS, COLUMNS, 4),
        "norm": (ROWS // 2, COLUMNS, 4),
        "pixel": (ROWS // 2, COLUMNS, 7),
    }


class ChannelsFirst(eqx.Module):
    """Equinox has channels in front, and one example at a time."""

    conv: eqx.nn.Conv2d
    pool: eqx.nn.MaxPool2d

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.pool(jax.nn.relu(self.conv(x)))


def test_channels_in_front_under_vmap_are_told() -> None:
    conv = eqx.nn.Conv2d(2, 4, 3, padding=1, key=jax.random.key(0))
    net, x = ChannelsFirst(conv, eqx.nn.MaxPool2d(2, 1)), images(channels_first=True)
    found = shapes_of(lambda x: jax.vmap(net)(x), x)
    assert set(found.values()) == {(ROWS, COLUMNS, 4), (ROWS - 1, COLUMNS - 1, 4)}


def test_modules_of_nnx_have_maps() -> None:
    net = nnx.Sequential(
        nnx.Conv(2, 4, (3, 3), rngs=nnx.Rngs(0)), nnx.BatchNorm(4, rngs=nnx.Rngs(0))
    )
    parts = modules.split((net, images()))
    found = shapes_of(lambda net, x: net(x), *parts)
    assert set(found.values()) == {(ROWS, COLUMNS, 4)}
    assert len(found) >= 2


def test_a_batch_behind_is_told_and_the_loop_is_one_row_an_iteration() -> None:
    numbers = lax.conv_dimension_numbers(
        (2, ROWS, COLUMNS, BATCH), (3, 3, 2, 2), ("CHWN", "HWIO", "CHWN")
    )

    def model(kernels: jax.Array, x: jax.Array) -> jax.Array:
        def layer(x: jax.Array, kernel: jax.Array) -> Any:
            with jax.named_scope("layer"):
                y = lax.conv_general_dilated(
                    x, kernel, (1, 1), "SAME", dimension_numbers=numbers
                )
            return jnp.tanh(y), None

        return lax.scan(layer, x, kernels)[0]

    kernels = jnp.ones((5, 3, 3, 2, 2)) * 0.1
    x = jnp.transpose(images(), (3, 1, 2, 0))
    found = maps_of(model, kernels, x)
    assert found["layer"].shape == (5, ROWS, COLUMNS, 2)
    wanted = lax.conv_general_dilated(
        x, kernels[0], (1, 1), "SAME", dimension_numbers=numbers
    )
    wanted = jnp.transpose(wanted, (3, 1, 2, 0))[0]
    np.testing.assert_allclose(found["layer"][0], wanted, rtol=1e-5)


class Heads(nn.Module):
    """Arrays of four axes that are no images."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.MultiHeadDotProductAttention(num_heads=2)(x)


def test_heads_of_attention_are_no_maps_also_behind_a_convolution() -> None:
    class Patches(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            x = nn.Conv(4, (2, 2), (2, 2), name="patches")(x)
            return Heads(name="heads")(x.reshape(x.shape[0], -1, 4))

    net, x = Patches(), images()
    variables = jax.eval_shape(net.init, jax.random.key(0), x)
    assert [*shapes_of(net.apply, variables, x)] == ["patches"]


def test_maps_are_float32_and_hold_what_is_not_finite() -> None:
    dtype = jnp.bfloat16

    def model(kernel: jax.Array, x: jax.Array) -> jax.Array:
        with jax.named_scope("conv"):
            return lax.conv_general_dilated(
                x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )

    kernel = jnp.ones((1, 1, 2, 2), dtype).at[0, 0, 0, 1].set(jnp.nan)
    (found,) = maps_of(model, kernel, images().astype(dtype)).values()
    assert found.dtype == np.float32
    assert np.isnan(found[..., 1]).all()
    assert np.isfinite(found[..., 0]).all()
