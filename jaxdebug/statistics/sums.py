"""What an array's elements add to its sums, and how sums add up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array


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
    nonzero: Array | None = None
    """Integer: finite and not zero."""
    smallest: Array | None = None
    """How far the bits of the smallest non-zero magnitude are below those of
    infinity: like the others it starts from 0 and is 0 where there is none."""


def plus(left: Sums, right: Sums) -> Sums:
    return Sums(
        left.total + right.total,
        left.squares + right.squares,
        lax.max(left.largest, right.largest),
        left.nonfinite + right.nonfinite,
        _both(lax.add, left.nonzero, right.nonzero),
        _both(lax.max, left.smallest, right.smallest),
    )


def _both(
    operation: Callable[[Array, Array], Array], left: Array | None, right: Array | None
) -> Array | None:
    return None if left is None or right is None else operation(left, right)


def counted_wide(sums: Sums) -> Sums:
    def wide(count: Array | None) -> Any:
        return None if count is None else count.astype(np.int64)

    return sums._replace(nonfinite=wide(sums.nonfinite), nonzero=wide(sums.nonzero))


def work_dtype(dtype: np.dtype) -> np.dtype:
    """What elements are converted to before they are added up, without loss."""
    if _is_narrow(dtype):
        return np.dtype(np.float32)
    is_complex = jax.dtypes.issubdtype(dtype, np.complexfloating)
    return np.dtype(np.complex128 if is_complex else np.float64)


INFINITY_BITS = 0x7F800000
WIDE_INFINITY_BITS = 0x7FF0000000000000


def addends(part: Array, spread: bool) -> Sums:
    """What each element adds to the sums."""
    if _is_narrow(part.dtype):
        # Magnitudes of floats order like the integers of their bits, and an
        # integer maximum needs no care for NaN: a third faster than floats.
        single = part.astype(np.float32)
        bits = lax.bitcast_convert_type(single, np.int32) & np.int32(0x7FFFFFFF)
        finite = bits < np.int32(INFINITY_BITS)
        number = lax.select(finite, single, lax.full_like(single, 0))
        number = number.astype(np.float64)
        largest = lax.select(finite, bits, lax.full_like(bits, 0))
        return Sums(
            number,
            number * number,
            largest,
            (~finite).astype(np.int32),
            *(_nonzero(largest, INFINITY_BITS) if spread else ()),
        )
    wide = part.astype(work_dtype(part.dtype))
    if jnp.iscomplexobj(wide):
        finite = lax.is_finite(lax.real(wide)) & lax.is_finite(lax.imag(wide))
    else:
        finite = lax.is_finite(wide)
    number = lax.select(finite, wide, lax.full_like(wide, 0))
    size = lax.abs(number)
    return Sums(
        number,
        size * size,
        size,
        (~finite).astype(np.int32),
        *(_nonzero(lax.bitcast_convert_type(size, np.int64), WIDE_INFINITY_BITS))
        if spread
        else (),
    )


def _nonzero(bits: Array, infinity: int) -> tuple[Array, Array]:
    nonzero = bits != 0
    below = bits.dtype.type(infinity) - bits
    return nonzero.astype(np.int32), lax.select(nonzero, below, lax.full_like(bits, 0))


def _is_narrow(dtype: np.dtype) -> bool:
    """Floats that float32 holds exactly."""
    floating = jax.dtypes.issubdtype(dtype, np.floating)
    return floating and jnp.finfo(dtype).bits <= 32


def above_zero(below: Array) -> Array:
    """Smallest magnitudes as float64, infinite where there is none."""
    if below.dtype == np.int32:
        single = lax.bitcast_convert_type(np.int32(INFINITY_BITS) - below, np.float32)
        return single.astype(np.float64)
    return lax.bitcast_convert_type(np.int64(WIDE_INFINITY_BITS) - below, np.float64)


def magnitude(largest: Array) -> Array:
    """Largest magnitudes as float64, from bits where they were kept as bits."""
    if largest.dtype == np.int32:
        largest = lax.bitcast_convert_type(largest, np.float32)
    return largest.astype(np.float64)
