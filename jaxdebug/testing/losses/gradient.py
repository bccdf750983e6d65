"""A loss's value, and its gradient by the predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxdebug.programs.places import is_inexact

Loss = Callable[..., Any]


def value_and_gradient(function: Loss, args: tuple[Any, ...], predictions: int) -> Any:
    """What a loss returns, and the gradient of the sum of that by its predictions.

    Args:
        function: of predictions and targets.
        args: these.
        predictions: how many of them are predictions.
    """
    moving, held = args[:predictions], args[predictions:]

    def total(*moving: Any) -> tuple[Any, Any]:
        value = function(*moving, *held)
        floats = [x for x in jax.tree.leaves(value) if is_inexact(jax.typeof(x))]
        return sum((jnp.sum(leaf) for leaf in floats), jnp.float32(0)), value

    argnums = tuple(range(predictions))
    gradient, value = jax.grad(total, argnums, has_aux=True)(*moving)
    return {"value": value, "gradient": {"predictions": gradient}}
