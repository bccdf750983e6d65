"""What a check cannot be asked with is refused, and the message says what to give."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest

from jaxdebug import testing


def layer(x: jax.Array) -> jax.Array:
    return 2 * x


def loss(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    return jnp.mean((predictions - targets) ** 2)


Call = Callable[[], Any]
WRONG: dict[str, tuple[Call, str]] = {
    "no examples": (
        lambda: testing.check_layer(layer, examples=0),
        "expects examples to be a number, 1 or more; found 0",
    ),
    "a domain the wrong way round": (
        lambda: testing.check_loss(loss, domain=(1.0, 0.0)),
        "the lower one first, as in domain=(0.0, 1.0); found (1.0, 0.0)",
    ),
    "a domain of one number": (
        lambda: testing.check_custom_rule(jax.nn.relu, domain=3.0),  # pyright: ignore[reportArgumentType]
        "expects domain to be two numbers",
    ),
    "strategies in a list": (
        lambda: testing.check_layer(layer, [testing.batches()]),
        "a tuple of these for several; found a strategy inside another container",
    ),
    "a strategy that is not called": (
        lambda: testing.check_layer(layer, testing.batches),
        "found the function batches, which is to be called",
    ),
    "a shape": (
        lambda: testing.check_layer(layer, (3, 4)),
        "If that is a shape, give testing.arrays((3, 4))",
    ),
    "a word": (
        lambda: testing.check_transformation(optax.sgd(0.1), gradients="g"),
        "expects gradients to be a strategy, such as testing.arrays()",
    ),
    "a call that is no mapping": (
        lambda: testing.check_layer(layer, call=["x"]),  # pyright: ignore[reportArgumentType]
        "expects call to be further arguments by name",
    ),
    "no property left": (
        lambda: testing.check_layer(layer, only=["vmap"], skip=["vmap"]),
        "found none left by only=['vmap'] and skip=['vmap']",
    ),
    "no return statement": (
        lambda: testing.check_layer(lambda x: None),
        "to return arrays; found None. Is there a return statement?",
    ),
    "a mask that the loss does not take": (
        lambda: testing.check_loss(loss, mask="where"),
        "an argument of the loss, of predictions, targets; found 'where'",
    ),
    "a mask that is none": (
        lambda: testing.check_loss(loss, mask=3),  # pyright: ignore[reportArgumentType]
        "or a testing.Mask; found 3",
    ),
    "a bound that is no number": (
        lambda: testing.check_loss(loss, gradient_bound="1"),  # pyright: ignore[reportArgumentType]
        "expects gradient_bound to be a number; found '1'",
    ),
    "best predictions that are no function": (
        lambda: testing.check_loss(loss, best=jnp.ones(3)),  # pyright: ignore[reportArgumentType]
        "expects best to be a function of the targets",
    ),
    "predictions without examples": (
        lambda: testing.check_loss(loss, jnp.float32(1), jnp.float32(0)),
        "whose first axis counts examples; found float32[], float32[]",
    ),
    "predictions that are whole numbers": (
        lambda: testing.check_loss(loss, testing.batches((3,), dtype="int32")),
        "predictions of a floating dtype",
    ),
    "no sizes": (
        lambda: testing.batches((3,), sizes=()),
        "expects a size or more in sizes; found none",
    ),
    "a shape that is a word": (
        lambda: testing.arrays("abc"),  # pyright: ignore[reportArgumentType]
        "a shape such as (3, 4), several, or a strategy of shapes; found 'abc'",
    ),
    "no batches": (
        lambda: testing.train_step_machine(dict, lambda s, b: s, []),
        "a sequence of one batch or more; found []",
    ),
    "no step": (
        lambda: testing.train_step_machine(dict, None, [1]),  # pyright: ignore[reportArgumentType]
        "expects step to be a function; found None",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_it_is_refused(name: str) -> None:
    call, said = WRONG[name]
    with pytest.raises((TypeError, ValueError), match=re.escape(said)):
        call()
