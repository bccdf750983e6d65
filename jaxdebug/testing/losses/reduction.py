"""How a loss puts the losses of a batch's examples together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.testing.layers.rows import count_rows
from jaxdebug.testing.layers.shown import shown_shapes

Reduction = Literal["mean", "sum", "none", "whole"]
"""`none` returns a value for each example, `whole` neither of the others."""

REDUCTIONS: tuple[Reduction, ...] = ("mean", "sum", "none", "whole")

EXAMPLES = 6
"""From how many batches it is found."""

CLOSE = 1e-3
"""Of the largest, how near two values are that are the same."""


def each_alone(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """What a loss returns for each example of a batch by itself, stacked."""

    def alone(row: Any) -> Any:
        return function(*jax.tree.map(lambda leaf: leaf[None], row))

    return jax.vmap(alone)(args)


def together(each: Any, reduction: Reduction) -> Any:
    """The losses of examples put together."""
    if reduction == "mean":
        return jax.tree.map(lambda leaf: jnp.mean(leaf, 0), each)
    if reduction == "sum":
        return jax.tree.map(lambda leaf: jnp.sum(leaf, 0), each)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), each)


def find_reduction(
    function: Callable[..., Any], batches: Sequence[tuple[Any, ...]]
) -> Reduction:
    """Which reduction a loss has, by batches of two examples or more.

    Returns:
        `whole` if the value is neither the mean nor the sum of the examples' values,
        or if these batches do not tell.
    """
    compiled = jax.jit(function)
    each_of = jax.jit(lambda *args: each_alone(function, args))
    left: set[Reduction] = {"mean", "sum", "none"}
    for args in batches:
        rows = count_rows(args)
        if rows is None or rows < 2:
            continue
        try:
            value, each = compiled(*args), each_of(*args)
        except Exception as error:  # whatever the user's Python raises
            error.add_note(
                "jaxdebug called the loss with predictions and targets "
                f"{shown_shapes(args)}, and with one example of these."
            )
            raise
        left = {one for one in left if _is_reduced(value, each, one)}
    return left.pop() if len(left) == 1 else "whole"


def _is_reduced(value: Any, each: Any, reduction: Reduction) -> bool:
    alone = jax.tree.leaves(each)
    if reduction == "none" and any(
        leaf.ndim < 2 or leaf.shape[1] != 1 for leaf in alone
    ):
        return False
    for own, other in zip(
        jax.tree.leaves(value), jax.tree.leaves(together(each, reduction)), strict=True
    ):
        if own.shape != other.shape:
            return False
        if not np.all(np.isfinite(own)):  # it says nothing
            continue
        if not np.allclose(own, other, CLOSE, CLOSE * float(np.max(np.abs(other)))):
            return False
    return True
