"""Examples of a batch: along the first axis of every input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def count_rows(args: tuple[Any, ...]) -> int | None:
    """How many examples inputs are of; None if their first axes are not the same."""
    lengths = {leaf.shape[:1] for leaf in jax.tree.leaves(args)}
    return lengths.pop()[0] if len(lengths) == 1 and () not in lengths else None


def fewest_rows(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same inputs, of as many examples as that of the fewest."""
    rows = min(leaf.shape[0] for leaf in jax.tree.leaves(args))
    return jax.tree.map(lambda leaf: leaf[:rows], args)


def of_rows(change: Callable[[Any], Any], tree: Any) -> Any:
    """Do the same to the first axis of every array."""
    return jax.tree.map(change, tree)


def first_from(args: Any, others: Any) -> Any:
    """The inputs, with the first example of others."""
    return jax.tree.map(lambda own, other: own.at[:1].set(other[:1]), args, others)


def first_missing(args: Any) -> Any:
    """The inputs, with NaN for all of the first example that can be NaN."""

    def spoil(leaf: Any) -> Any:
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            return leaf
        return leaf.at[:1].set(jnp.nan)

    return jax.tree.map(spoil, args)
