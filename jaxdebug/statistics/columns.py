"""Reductions of several operands over few rows, which a CPU does in one kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import jax
import numpy as np
from jax import lax
from jaxtyping import Array

_Operands = TypeVar("_Operands")
_Reduced = TypeVar("_Reduced")

ROWS = 16
"""Rows that are added in one step. XLA writes a short reduction out and then uses
vector instructions for it; one of 17 steps is four times slower."""


def reduced(
    operands: _Reduced, plus: Callable[[_Reduced, _Reduced], _Reduced], axis: int
) -> _Reduced:
    """One reduction of all operands, so that one kernel reads the elements once."""
    nothing = jax.tree.map(lambda part: np.zeros((), part.dtype), operands)
    return lax.reduce(operands, nothing, plus, (axis,))


def added(
    columns: _Operands,
    parts: Callable[[_Operands], _Reduced],
    plus: Callable[[_Reduced, _Reduced], _Reduced],
    most: int = ROWS,
    group: int = 1,
) -> _Reduced:
    """Add up rows laid out one after another, as many as divide the columns.

    Elements that are left over when nothing up to `most` divides their number are
    added to the first columns.

    Args:
        columns: flat arrays of one size.
        parts: what is added, from the rows.
        plus: the sum of two of them.
        most: rows that are added in one step.
        group: columns that stay together: the size is a multiple of it.
    """
    size = jax.tree.leaves(columns)[0].size // group
    rows = next((count for count in range(most, 3, -1) if size % count == 0), most)
    width = size // rows * group
    over = size * group - rows * width

    def laid_out(flat: Array) -> Array:
        return lax.slice(flat, (0,), (rows * width,)).reshape(rows, width)

    def left(flat: Array) -> Array:
        end = lax.slice(flat, (rows * width,), (rows * width + over,))
        return lax.pad(end, np.zeros((), flat.dtype), [(0, width - over, 0)])

    sums = reduced(parts(jax.tree.map(laid_out, columns)), plus, 0)
    return plus(sums, parts(jax.tree.map(left, columns))) if over else sums
