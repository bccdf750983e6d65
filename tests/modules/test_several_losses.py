"""Networks that several losses call: each cotangent belongs to the right call."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxdebug.frameworks.modules import shared_scopes
from jaxdebug.programs.layers.paired_calls import in_opposite_order
from tests.modules.layer_arrays import (
    Arrays,
    Tap,
    check_same,
    plain,
    seen,
    told,
)
from tests.slow import quick_cases

RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=(4, 3)).astype(np.float32)
REAL = RNG.normal(size=(4, 5)).astype(np.float32)

Apply = Callable[[Tap, Any, Any], Any]


def moved(params: Any, grads: Any) -> Any:
    return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)


def adversaries(
    make: Apply, judge: Apply, renew: bool = True
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """A GAN's step, and one loss whose derivative is that of both of its losses."""

    def judged(tap: Tap, disc: Any, gen: Any, noise: Any, real: Any) -> Any:
        fake = judge(tap, disc, make(tap, gen, noise))
        true = judge(tap, disc, real)
        return jnp.mean(jax.nn.softplus(fake)) + jnp.mean(jax.nn.softplus(-true))

    def fooled(tap: Tap, gen: Any, disc: Any, noise: Any) -> Any:
        return jnp.mean(jax.nn.softplus(-judge(tap, disc, make(tap, gen, noise))))

    def step(gen: Any, disc: Any, noise: Any, real: Any) -> Any:
        grads = jax.grad(judged, 1)(plain, disc, gen, noise, real)
        new = moved(disc, grads)
        seen_by = new if renew else disc
        grads = jax.grad(fooled, 1)(plain, gen, seen_by, noise)
        return moved(gen, grads), new

    def both(tap: Tap, gen: Any, disc: Any, noise: Any, real: Any) -> Any:
        grads = jax.grad(judged, 1)(plain, disc, gen, noise, real)
        seen_by = moved(disc, grads) if renew else disc

        def frozen(tap: Tap, gen: Any, noise: Any) -> Any:
            return jax.lax.stop_gradient(make(tap, gen, noise))

        fake = judge(tap, disc, frozen(tap, gen, noise))
        true = judge(tap, disc, real)
        first = jnp.mean(jax.nn.softplus(fake)) + jnp.mean(jax.nn.softplus(-true))
        return first + fooled(tap, gen, jax.lax.stop_gradient(seen_by), noise)

    return step, both


def with_cotangents(arrays: Arrays) -> Arrays:
    """Without cotangents of zeros: those of what a loss does not differentiate."""
    kept = {key for key, x in arrays.items() if key[1] == "output" or np.any(x)}
    return {key: arrays[key] for key in kept}


# Plain parameters: only they tell the layers.


def weights(*sizes: int) -> Any:
    arrays = [(RNG.normal(size=s), RNG.normal(size=s[1])) for s in pairwise(sizes)]
    return {
        f"layer{i}": {"w": w.astype(np.float32), "b": b.astype(np.float32)}
        for i, (w, b) in enumerate(arrays)
    }


def perceptron(argument: str) -> Apply:
    def apply(tap: Tap, params: Any, x: Any) -> Any:
        for index, (name, layer) in enumerate(params.items()):
            x = jax.nn.relu(x) if index else x
            x = tap(f"{argument}/{name}", x @ layer["w"] + layer["b"])
        return x

    return apply


@pytest.mark.parametrize("renew", quick_cases([True, False], [True]))
def test_plain_parameters(renew: bool) -> None:
    step, both = adversaries(perceptron("0"), perceptron("1"), renew)
    args = weights(3, 6, 5), weights(5, 6, 1), NOISE, REAL
    found, unidentified = seen(step, *args)
    assert unidentified == {}
    check_same(found, with_cotangents(told(both, *args)))


def test_calls_that_nothing_tells_apart_are_left_out() -> None:
    """Both calls are of one line and of one input; one of them has no cotangent."""

    def loss(params: Any, x: Any) -> Any:
        one, other = [
            cut(x @ params["w"]) for cut in (jax.lax.stop_gradient, jnp.asarray)
        ]
        return jnp.sum(one * other)

    def step(params: Any, x: Any) -> Any:
        return moved(params, jax.grad(loss)(params, x))

    found, unidentified = seen(step, {"w": np.ones((3, 2), np.float32)}, NOISE)
    assert [kind for _, kind in found] == ["output", "output"]
    assert list(unidentified) == ["w"]


# Equinox: modules of one path in two arguments.


def mlp(argument: str) -> Apply:
    def apply(tap: Tap, model: Any, x: Any) -> Any:
        if tap is plain:
            return jax.vmap(model)(x)
        for index, layer in enumerate(model.layers):
            x = jax.nn.relu(x) if index else x
            x = tap(f"{argument}/layers/{index}", x @ layer.weight.T + layer.bias)
        return tap(f"{argument}/MLP", x)

    return apply


@pytest.mark.slow
def test_equinox_modules_of_one_path() -> None:
    keys = jax.random.split(jax.random.key(0))
    models = [
        eqx.nn.MLP(*sizes, depth=1, key=key)
        for sizes, key in zip([(3, 5, 6), (5, 1, 6)], keys, strict=True)
    ]
    arrays, static = eqx.partition(models, eqx.is_inexact_array)

    def networks(static: Any) -> tuple[Apply, Apply]:
        return (
            lambda tap, gen, x: mlp("0")(tap, eqx.combine(gen, static[0]), x),
            lambda tap, disc, x: mlp("1")(tap, eqx.combine(disc, static[1]), x),
        )

    def step(*args: Any) -> Any:
        (gen, disc), static = eqx.partition(args[:2], eqx.is_inexact_array)
        return adversaries(*networks(static))[0](gen, disc, *args[2:])

    args = *models, NOISE, REAL
    found, unidentified = seen(step, *args, shared=shared_scopes(), marks=True)
    assert unidentified == {}
    _, both = adversaries(*networks(static))
    check_same(found, with_cotangents(told(both, *arrays, NOISE, REAL)))


# Linen: networks jitted once are one call of the trace for all of them.


class Generator(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        return nn.Dense(5)(nn.relu(nn.Dense(6)(x)))


class Discriminator(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        return nn.Dense(1)(nn.relu(nn.Dense(6)(x)))


def linen_apply(name: str, apply: Any) -> Apply:
    def call(tap: Tap, variables: Any, x: Any) -> Any:
        if tap is plain:
            return apply(variables, x)
        layers = variables["params"]
        # Of two calls in one expression, Python makes the outer module first.
        for index, layer in enumerate(("Dense_1", "Dense_0")):
            x = jax.nn.relu(x) if index else x
            x = x @ layers[layer]["kernel"] + layers[layer]["bias"]
            x = tap(f"{name}/{layer}", x)
        return tap(name, x)

    return call


NETWORK = {"Generator", "Generator/Dense_0", "Generator/Dense_1"}


@pytest.mark.parametrize(
    ("wrap", "uncertain"),
    [
        pytest.param(lambda f: f, set[str](), marks=pytest.mark.slow),
        pytest.param(jax.jit, set[str](), marks=pytest.mark.slow),
        # Its two calls have the same noise, and their backward part saved nothing else.
        pytest.param(jax.checkpoint, NETWORK, marks=pytest.mark.slow),
    ],
)
def test_linen_networks_traced_once(wrap: Any, uncertain: set[str]) -> None:
    gen, disc = Generator(), Discriminator()
    args = gen.init(jax.random.key(0), NOISE), disc.init(jax.random.key(1), REAL)
    make = linen_apply("Generator", wrap(gen.apply))
    judge = linen_apply("Discriminator", wrap(disc.apply))
    step, both = adversaries(make, judge)
    found, unidentified = seen(step, *args, NOISE, REAL, marks=True)
    assert unidentified.keys() == uncertain
    wanted = with_cotangents(told(both, *args, NOISE, REAL))
    for name in uncertain:
        del wanted[f"{name}[1]", "cotangent"]
    check_same(found, wanted)


def test_order_is_asked_of_each_backward_pass_alone() -> None:
    at = [(index,) for index in range(8)]
    assert in_opposite_order(at[:2], at[2:4]) == [1, 0]
    assert in_opposite_order([at[0], at[1], at[4]], [at[2], at[3], at[5]]) == [1, 0, 2]
    assert in_opposite_order([at[0], at[2]], [at[3]]) is None
    assert in_opposite_order([at[0], at[1], at[3]], [at[2], at[4], at[5]]) is None
