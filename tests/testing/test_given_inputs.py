"""Inputs of a layer as its user gives them: arrays, or several batches."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from jaxdebug.reports import Verdict
from jaxdebug.testing.layers.check_layer import check_layer
from jaxdebug.testing.strategies.arrays import arrays, batches


@pytest.mark.parametrize("value", [jnp.arange(12.0), jnp.zeros(12), jnp.full(12, 0.5)])
def test_an_array_is_compared_with_another_one(value: jax.Array) -> None:
    def backwards(x: jax.Array) -> jax.Array:
        return jnp.cumsum(x[:, ::-1], 1)[:, ::-1]

    inputs = value.reshape(1, 4, 3)
    (one,) = check_layer(backwards, inputs, only=["causal"], examples=2).properties
    assert one.verdict is Verdict.FAIL
    (one,) = check_layer(
        lambda x: jnp.cumsum(x, 1), inputs, only=["causal"], examples=2
    ).properties
    assert one.verdict is Verdict.PASS


@pytest.mark.slow
def test_batches_that_are_drawn_apart_are_of_as_many_examples() -> None:
    rows = set()

    def conditioned(x: jax.Array, condition: jax.Array) -> jax.Array:
        rows.add((len(x), len(condition)))
        return x * condition[:, None]

    inputs = batches((2, 3)), batches((3,))
    report = check_layer(conditioned, inputs, only=["vmap", "batch-of-one"], examples=8)
    assert report.ok
    assert all(left == right for left, right in rows)
    assert {1, 2} <= {left for left, _ in rows}


@pytest.mark.slow
def test_what_is_no_batch_stays_as_it_is() -> None:
    def graph(nodes: jax.Array, edges: jax.Array) -> jax.Array:
        assert (len(nodes), len(edges)) == (5, 7)
        return jax.ops.segment_sum(nodes[edges[:, 0]], edges[:, 1], 5)

    inputs = arrays((5, 2)), arrays((7, 2), "int32", low=0, high=4)
    report = check_layer(graph, inputs, only=["vmap"], examples=2)
    assert report.ok


def test_what_a_layer_raises_says_which_inputs_it_was_called_with() -> None:
    def broken(x: jax.Array) -> jax.Array:
        raise KeyError("w")

    with pytest.raises(KeyError) as error:
        check_layer(broken, batches((4,), sizes=[2]))
    said = "jaxdebug called broken with inputs float32[2,4]."
    # Hypothesis may have its own note after it, on how to see the example again.
    assert said in error.value.__notes__
