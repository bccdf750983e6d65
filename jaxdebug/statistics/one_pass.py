"""One pass over an array: sums in float64, the largest magnitude, a count.

On a CPU one reduction of several operands, over few rows of many columns, is one
kernel that uses vector instructions and every core: 0.6 ms for 8 MB where `x + 1`
takes 0.5. Several reductions in a row cost several passes (7 to 17 times `x + 1`),
a loop of vector accumulators runs on one core (2.2 to 3.7 times). Elsewhere plain
reductions are fused by the compiler and split over devices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Num

ROWS = 16
"""Rows that are added in one step. XLA writes a reduction of up to 16 steps out and
uses vector instructions for it; one of 17 is four times slower."""

LAST = 8192
"""Columns that are reduced to one without vector instructions: 13 microseconds."""

SMALL = 16384
"""Arrays up to this size are measured together: a loop for each takes longer to
compile than to run."""

SMALL_LANES = 128
"""Row length of the matrix that small arrays are laid out in."""


class Sums(NamedTuple):
    """What a pass adds up, one entry a column or an array."""

    total: Array
    """Float64, or complex128."""
    squares: Array
    """Float64."""
    largest: Array
    """Float64, or the bits of a float32."""
    nonfinite: Array
    """Integer."""


class Small(NamedTuple):
    """An array that is measured together with others."""

    flat: Array


class Pass(NamedTuple):
    """An array's pass, up to the last reduction."""

    so_far: Sums | Small
    size: int


def one_pass(array: Num[Array, "*shape"]) -> Pass:
    """The one pass over an array; `finished` ends it for several arrays at once."""
    array = lax.stop_gradient(jnp.asarray(array))
    with jax.enable_x64(True):
        if jax.default_backend() != "cpu":
            return Pass(_reductions(array), array.size)
        if array.size <= SMALL:
            return Pass(Small(array.reshape(-1)), array.size)
        return Pass(_by_columns(array), array.size)


def finished(passes: Sequence[Pass]) -> Sums:
    """The last reductions: all small arrays are added up together.

    Returns:
        Sums of shape (arrays,), in the order given. Nothing is taken apart array
        by array: each operation is a kernel to compile.
    """
    small: dict[np.dtype, dict[int, Array]] = defaultdict(dict)
    large: dict[tuple[np.dtype, ...], dict[int, Sums]] = defaultdict(dict)
    for index, (one, _) in enumerate(passes):
        if isinstance(one, Small):
            dtype = _work_dtype(one.flat.dtype)
            small[dtype][index] = one.flat.astype(dtype)
        else:
            large[one.largest.dtype, one.total.dtype][index] = one
    groups = [
        *(_side_by_side(list(flats.values())) for flats in small.values()),
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

    return Sums(
        joined([group.total.astype(wide) for group in groups]),
        joined([group.squares for group in groups]),
        joined([_magnitude(group.largest) for group in groups]),
        joined([group.nonfinite for group in groups]),
    )


def _stacked(each: Sequence[Sums]) -> Sums:
    return Sums(*(jnp.stack(parts) for parts in zip(*each, strict=True)))


def _side_by_side(flats: Sequence[Array]) -> Sums:
    """Small arrays in one matrix, each in rows of its own."""
    counts = [-(-flat.size // SMALL_LANES) for flat in flats]
    zero = np.zeros((), flats[0].dtype)
    padded = [
        lax.pad(flat, zero, [(0, count * SMALL_LANES - flat.size, 0)])
        for flat, count in zip(flats, counts, strict=True)
    ]
    matrix = lax.concatenate(padded, 0).reshape(-1, SMALL_LANES)
    rows = _reduce(_parts(matrix), 1)
    owner = np.repeat(np.arange(len(flats)), counts)
    mine = jnp.asarray(np.arange(len(flats))[:, None] == owner[None, :])

    def of_each(row: Array) -> Array:
        every = lax.broadcast_in_dim(row, mine.shape, (1,))
        return lax.select(mine, every, lax.full_like(every, 0))

    return _reduce(Sums(*(of_each(row) for row in _counted_wide(rows))), 1)


def _by_columns(array: Array) -> Sums:
    """Add up `ROWS` rows at a time, until what is left is short."""
    flat = array.reshape(-1)
    sums = _added(flat, _parts)
    while sums.total.size > LAST:
        sums = _added(sums, lambda rows: rows)
    return _reduce(_counted_wide(sums), 0)


_Columns = TypeVar("_Columns", Array, Sums)


def _added(columns: _Columns, parts: Callable[[_Columns], Sums]) -> Sums:
    """Add up rows laid out one after another, as many as divide the columns.

    Elements that are left over when nothing up to `ROWS` divides their number are
    added to the first columns.
    """
    size = jax.tree.leaves(columns)[0].size
    rows = next((count for count in range(ROWS, 3, -1) if size % count == 0), ROWS)
    width = size // rows

    def laid_out(flat: Array) -> Array:
        return lax.slice(flat, (0,), (rows * width,)).reshape(rows, width)

    sums = _reduce(parts(jax.tree.map(laid_out, columns)), 0)
    over = size - rows * width
    if not over:
        return sums

    def left(flat: Array) -> Array:
        end = lax.slice(flat, (rows * width,), (size,))
        return lax.pad(end, np.zeros((), flat.dtype), [(0, width - over, 0)])

    return _plus(sums, parts(jax.tree.map(left, columns)))


def _reduce(sums: Sums, axis: int) -> Sums:
    """One reduction of all four, so that one kernel reads the elements once."""
    nothing = jax.tree.map(lambda part: np.zeros((), part.dtype), sums)
    return lax.reduce(sums, nothing, _plus, (axis,))


def _plus(left: Sums, right: Sums) -> Sums:
    return Sums(
        left.total + right.total,
        left.squares + right.squares,
        lax.max(left.largest, right.largest),
        left.nonfinite + right.nonfinite,
    )


def _counted_wide(sums: Sums) -> Sums:
    return sums._replace(nonfinite=sums.nonfinite.astype(np.int64))


def _reductions(array: Array) -> Sums:
    """Plain reductions, one fused kernel where the compiler fuses them."""
    total, squares, largest, bad = _parts(array)
    return Sums(
        total.sum(),
        squares.sum(),
        jnp.max(largest, initial=0),
        bad.sum(dtype=np.int64),
    )


def _work_dtype(dtype: np.dtype) -> np.dtype:
    """What elements are converted to before they are added up, without loss."""
    if _is_narrow(dtype):
        return np.dtype(np.float32)
    is_complex = jax.dtypes.issubdtype(dtype, np.complexfloating)
    return np.dtype(np.complex128 if is_complex else np.float64)


INFINITY_BITS = 0x7F800000


def _parts(part: Array) -> Sums:
    """What each element adds to the total, the squares, the largest, the bad."""
    if _is_narrow(part.dtype):
        # Magnitudes of floats order like the integers of their bits, and an
        # integer maximum needs no care for NaN: a third faster than floats.
        single = part.astype(np.float32)
        bits = lax.bitcast_convert_type(single, np.int32) & np.int32(0x7FFFFFFF)
        finite = bits < np.int32(INFINITY_BITS)
        number = lax.select(finite, single, lax.full_like(single, 0))
        number = number.astype(np.float64)
        return Sums(
            number,
            number * number,
            lax.select(finite, bits, lax.full_like(bits, 0)),
            (~finite).astype(np.int32),
        )
    wide = part.astype(_work_dtype(part.dtype))
    if jnp.iscomplexobj(wide):
        finite = lax.is_finite(lax.real(wide)) & lax.is_finite(lax.imag(wide))
    else:
        finite = lax.is_finite(wide)
    number = lax.select(finite, wide, lax.full_like(wide, 0))
    size = lax.abs(number)
    return Sums(number, size * size, size, (~finite).astype(np.int32))


def _is_narrow(dtype: np.dtype) -> bool:
    """Floats that float32 holds exactly."""
    floating = jax.dtypes.issubdtype(dtype, np.floating)
    return floating and jnp.finfo(dtype).bits <= 32


def _magnitude(largest: Array) -> Array:
    """Largest magnitudes as float64, from bits where they were kept as bits."""
    if largest.dtype == np.int32:
        largest = lax.bitcast_convert_type(largest, np.float32)
    return largest.astype(np.float64)
