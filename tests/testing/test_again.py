"""The line of a report that reproduces a failure fails again when it is run."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.typing import DTypeLike

from jaxdebug import testing
from jaxdebug.reports import Verdict
from jaxdebug.testing.layers.shown import as_python
from tests.slow import quick_cases


class Mixed(nn.Module):
    """Subtracts the mean over the batch."""

    features: int
    times: float = 1.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.Dense(self.features)(x)
        return x - self.times * x.mean(0)


def scaled(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    return params["scale"] * x + y.mean(0)


def logarithm(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    return jnp.mean(jnp.log(jnp.abs(predictions - targets)))


def divided() -> optax.GradientTransformation:
    return optax.GradientTransformation(
        lambda params: optax.EmptyState(),
        lambda updates, state, params=None: (
            jax.tree.map(lambda x: x / x, updates),
            state,
        ),
    )


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def squared(x: jax.Array, times: float) -> jax.Array:
    return x


squared.defvjp(lambda x, times: (x, None), lambda times, _, g: (times * g * g,))

params = {"scale": jnp.arange(4.0)}
CASES: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "a module": (
        lambda **own: testing.check_layer(Mixed(2), **own),
        "testing.check_layer(Mixed(features=2), ",
        {"only": ["batch-of-one"]},
    ),
    "a function of two inputs and parameters": (
        lambda **own: testing.check_layer(
            scaled, (testing.batches(), testing.batches()), params=params, **own
        ),
        "testing.check_layer(scaled, (jnp.",
        {"only": ["batch-of-one"]},
    ),
    "a loss": (
        lambda **own: testing.check_loss(logarithm, domain=(0.0, 1.0), **own),
        "testing.check_loss(logarithm, jnp.",
        {"only": ["extreme-predictions"]},
    ),
    "a transformation": (
        lambda **own: testing.check_transformation(divided(), **own),
        "testing.check_transformation(divided(...), gradients={'bias': jnp.",
        {"only": ["finite"]},
    ),
    "a rule with an operand that is no array": (
        lambda **own: testing.check_custom_rule(
            squared, (testing.batches(), 0.5), expected=["squared"], **own
        ),
        "testing.check_custom_rule(squared, (jnp.",
        {"only": ["linear"]},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", quick_cases(CASES, ["a loss"]))
def test_the_line_fails_again(name: str) -> None:
    check, begin, settings = CASES[name]
    (one,) = check(examples=8, **settings).properties
    assert one.verdict is Verdict.FAIL
    assert one.reproduce.startswith(begin)
    line = one.reproduce.replace("(...)", "()")
    names = {"testing": testing, "jnp": jnp, **globals()}
    (again,) = eval(line, names).properties
    assert again.verdict is Verdict.FAIL, line


@pytest.mark.slow
def test_what_is_shrunk_is_written_however_large_it_is() -> None:
    report = testing.check_layer(
        lambda x: x - x.mean(0), testing.arrays((3, 30)), only=["batch-of-one"]
    )
    assert "jnp.zeros((3, 30), 'float32').at[" in report.properties[0].reproduce


def test_inputs_that_cannot_be_written_stand_by_their_name() -> None:
    inputs = jnp.arange(1.0, 400).reshape(3, -1)
    report = testing.check_layer(
        lambda x: x - x.mean(0), inputs, only=["batch-of-one"], examples=3
    )
    assert ", inputs=inputs, only=" in report.properties[0].reproduce


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "bool", "complex64"])
@pytest.mark.parametrize("shape", [(), (3,), (0, 4), (20, 30)])
def test_arrays_are_written_as_python(shape: tuple[int, ...], dtype: DTypeLike) -> None:
    array = np.zeros(shape)
    if array.ndim:
        array[-1:, ...] = 1.5 if array.size < 100 else 0
        array.reshape(-1)[1:2] = 2
    tree = {"a": (jnp.asarray(array, dtype),), "b": [None, jnp.full((9, 9), 7)]}
    again = eval(as_python(tree), {"jnp": jnp})
    assert jax.tree.structure(again) == jax.tree.structure(tree)
    for left, right in zip(*map(jax.tree.leaves, (tree, again)), strict=True):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)


def test_keys_are_written_as_python() -> None:
    key = jax.random.key(3)
    again = eval(as_python(key), {"jax": jax, "jnp": jnp})
    assert jax.random.key_data(again).tolist() == jax.random.key_data(key).tolist()
    assert again.dtype == key.dtype
