"""One pass over an array: sums in float64, the largest magnitude, a count.

On a CPU one reduction of several operands, over few rows of many columns, is one
kernel that uses vector instructions and every core: 0.6 ms for 8 MB where `x + 1`
takes 0.5. Several reductions in a row cost several passes (7 to 17 times `x + 1`),
a loop of vector accumulators runs on one core (2.2 to 3.7 times). Elsewhere plain
reductions are fused by the compiler and split over devices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Num

from jaxdebug.programs._jax.sharding import replicated
from jaxdebug.statistics.columns import ROWS, added, reduced
from jaxdebug.statistics.sums import (
    Sums,
    above_zero,
    addends,
    counted_wide,
    magnitude,
    plus,
    work_dtype,
)

SPREAD_ROWS = 8
"""Rows added in one step where the spread is measured: 16 are too long already."""

LAST = 8192
"""Columns that are reduced to one without vector instructions: 13 microseconds."""

SMALL = 16384
"""Arrays up to this size are measured together: a loop for each takes longer to
compile than to run."""

SMALL_LANES = 128
"""Row length of the matrix that small arrays are laid out in."""


class Small(NamedTuple):
    """An array that is measured together with others."""

    flat: Array
    spread: bool


class Pass(NamedTuple):
    """An array's pass, up to the last reduction."""

    so_far: Sums | Small
    size: int


def one_pass(array: Num[Array, "*shape"], *, spread: bool = False) -> Pass:
    """The one pass over an array; `finished` ends it for several arrays at once.

    Args:
        array: of any shape and dtype.
        spread: whether non-zero elements are counted and the smallest is kept.
    """
    array = lax.stop_gradient(jnp.asarray(array))
    with jax.enable_x64(True):
        if jax.default_backend() != "cpu":
            sums = replicated(partial(_reductions, spread=spread))
        elif array.size <= SMALL:
            flat = replicated(lambda array: array.reshape(-1))(array)
            return Pass(Small(flat, spread), array.size)
        else:
            sums = replicated(partial(_by_columns, spread=spread))
        return Pass(sums(array), array.size)


def in_turn(arrays: Iterable[Array], *, spread: bool = False) -> list[Pass]:
    """The passes over arrays that are all there, one after another.

    On a CPU XLA would begin all of them at once, and the first sums of a pass take as
    much memory as its array. That an array is read only if a count of the pass before
    is not negative, which no count is, costs nothing and is not seen through.
    """
    passes: list[Pass] = []
    count = None
    for array in arrays:
        if count is not None and array.size > SMALL:
            with jax.enable_x64(True):
                array = lax.select(count < 0, lax.full_like(array, 0), array)
        passes.append(one_pass(array, spread=spread))
        last = passes[-1].so_far
        if jax.default_backend() == "cpu" and isinstance(last, Sums):
            count = last.nonfinite
    return passes


def finished(passes: Sequence[Pass]) -> Sums:
    """The last reductions: all small arrays are added up together.

    Args:
        passes: over arrays, all of them with the spread or all without.

    Returns:
        Sums of shape (arrays,), in the order given, magnitudes as float64. Nothing
        is taken apart array by array: each operation is a kernel to compile.
    """
    small: dict[np.dtype, dict[int, Array]] = defaultdict(dict)
    large: dict[tuple[np.dtype, ...], dict[int, Sums]] = defaultdict(dict)
    for index, (one, _) in enumerate(passes):
        if isinstance(one, Small):
            dtype = work_dtype(one.flat.dtype)
            small[dtype][index] = one.flat.astype(dtype)
        else:
            large[one.largest.dtype, one.total.dtype][index] = one
    spread = any(isinstance(one, Small) and one.spread for one, _ in passes)
    groups = [
        *(_side_by_side(list(flats.values()), spread) for flats in small.values()),
        *(_stacked(list(ones.values())) for ones in large.values()),
    ]
    order = [
        index for kind in (small, large) for ones in kind.values() for index in ones
    ]
    back = np.argsort(np.array(order))
    wide = jnp.result_type(*(group.total.dtype for group in groups))

    def joined(parts: Sequence[Array]) -> Array:
        whole = lax.concatenate(list(parts), 0) if len(parts) > 1 else parts[0]
        in_order = np.array_equal(back, np.arange(len(back)))
        return whole if in_order else jnp.take(whole, back, axis=0, mode="clip")

    alike = [
        group._replace(
            total=group.total.astype(wide),
            largest=magnitude(group.largest),
            smallest=None if group.smallest is None else above_zero(group.smallest),
        )
        for group in groups
    ]
    return jax.tree.map(lambda *parts: joined(parts), *alike)


def _stacked(each: Sequence[Sums]) -> Sums:
    return jax.tree.map(lambda *parts: jnp.stack(parts), *each)


def _side_by_side(flats: Sequence[Array], spread: bool) -> Sums:
    """Small arrays in one matrix, each in rows of its own."""
    counts = [-(-flat.size // SMALL_LANES) for flat in flats]
    zero = np.zeros((), flats[0].dtype)
    padded = [
        lax.pad(flat, zero, [(0, count * SMALL_LANES - flat.size, 0)])
        for flat, count in zip(flats, counts, strict=True)
    ]
    matrix = lax.concatenate(padded, 0).reshape(-1, SMALL_LANES)
    rows = reduced(addends(matrix, spread), plus, 1)
    owner = np.repeat(np.arange(len(flats)), counts)
    mine = jnp.asarray(np.arange(len(flats))[:, None] == owner[None, :])

    def of_each(row: Array) -> Array:
        every = lax.broadcast_in_dim(row, mine.shape, (1,))
        return lax.select(mine, every, lax.full_like(every, 0))

    return reduced(jax.tree.map(of_each, counted_wide(rows)), plus, 1)


def _by_columns(array: Array, spread: bool) -> Sums:
    """Add up `ROWS` rows at a time, until what is left is short."""
    flat = array.reshape(-1)
    most = SPREAD_ROWS if spread else ROWS
    sums = added(flat, lambda part: addends(part, spread), plus, most)
    while sums.total.size > LAST:
        sums = added(sums, lambda rows: rows, plus, most)
    return reduced(counted_wide(sums), plus, 0)


def _reductions(array: Array, spread: bool) -> Sums:
    """Plain reductions, one fused kernel where the compiler fuses them."""
    parts = counted_wide(addends(array, spread))
    return Sums(
        parts.total.sum(),
        parts.squares.sum(),
        jnp.max(parts.largest, initial=0),
        parts.nonfinite.sum(),
        None if parts.nonzero is None else parts.nonzero.sum(),
        None if parts.smallest is None else jnp.max(parts.smallest, initial=0),
    )
