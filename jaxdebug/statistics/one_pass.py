"""One pass over an array: sums in float64, the largest magnitude, a count.

On a CPU a loop of vector accumulators reads the array once: several reductions
in a row cost several passes, and XLA's CPU reductions do not use vector
instructions. Elsewhere plain reductions are fused by the compiler and split
over devices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Num

LANES = 1024
"""Width of the accumulators; 1024 was the fastest of 256 to 65536 on two CPUs."""

SMALL = 16384
"""Arrays up to this size are measured together: a loop for each takes longer to
compile than to run."""

SMALL_LANES = 128
"""Row length of the matrix that small arrays are laid out in."""


class Lanes(NamedTuple):
    """Accumulators of one array before the last reduction, float64 and int32."""

    total: Array
    squares: Array
    largest: Array
    nonfinite: Array


class Small(NamedTuple):
    """An array that is measured together with others."""

    flat: Array


class Pass(NamedTuple):
    """An array's pass, up to the last reduction."""

    so_far: Lanes | Small
    size: int


def lanes(array: Num[Array, "*shape"]) -> Pass:
    """The one pass over an array; `finished` ends it for several arrays at once."""
    array = lax.stop_gradient(jnp.asarray(array))
    with jax.enable_x64(True):
        if jax.default_backend() != "cpu":
            return Pass(_reductions(array), array.size)
        if array.size <= SMALL:
            return Pass(Small(array.reshape(-1)), array.size)
        return Pass(_loop(array), array.size)


def finished(passes: Sequence[Pass]) -> Lanes:
    """The last reductions: one for all large arrays, one for all small ones.

    Returns:
        Accumulators of shape (arrays,), in the order given. Nothing is taken
        apart array by array: each operation is a kernel to compile.
    """
    small: dict[np.dtype, dict[int, Array]] = defaultdict(dict)
    large: dict[tuple[np.dtype, ...], dict[int, Lanes]] = defaultdict(dict)
    for index, (one, _) in enumerate(passes):
        if isinstance(one, Small):
            dtype = _work_dtype(one.flat.dtype)
            small[dtype][index] = one.flat.astype(dtype)
        else:
            large[one.largest.dtype, one.total.dtype][index] = one
    groups = [
        *(_side_by_side(list(flats.values())) for flats in small.values()),
        *(_reduced(list(ones.values())) for ones in large.values()),
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

    return Lanes(
        joined([group.total.astype(wide) for group in groups]),
        joined([group.squares for group in groups]),
        joined([group.largest for group in groups]),
        joined([group.nonfinite for group in groups]),
    )


def _reduced(each: Sequence[Lanes]) -> Lanes:
    return Lanes(
        jnp.stack([one.total for one in each]).sum(1),
        jnp.stack([one.squares for one in each]).sum(1),
        _magnitude(jnp.stack([one.largest for one in each]).max(1)),
        jnp.stack([one.nonfinite for one in each]).sum(1, dtype=np.int64),
    )


def _side_by_side(flats: Sequence[Array]) -> Lanes:
    """Small arrays in one matrix, each in rows of its own."""
    counts = [-(-flat.size // SMALL_LANES) for flat in flats]
    zero = np.zeros((), flats[0].dtype)
    padded = [
        lax.pad(flat, zero, [(0, count * SMALL_LANES - flat.size, 0)])
        for flat, count in zip(flats, counts, strict=True)
    ]
    matrix = lax.concatenate(padded, 0).reshape(-1, SMALL_LANES)
    total, squares, largest, bad = _parts(matrix)
    owner = np.repeat(np.arange(len(flats)), counts)
    mine = jnp.asarray(np.arange(len(flats))[:, None] == owner[None, :])

    def of_each(rows: Array) -> Array:
        every = lax.broadcast_in_dim(rows, mine.shape, (1,))
        return lax.select(mine, every, lax.full_like(every, 0))

    return Lanes(
        of_each(total.sum(1)).sum(1),
        of_each(squares.sum(1)).sum(1),
        jnp.max(
            of_each(_magnitude(jnp.max(largest, axis=1, initial=0))), 1, initial=0.0
        ),
        of_each(bad.sum(1, dtype=np.int64)).sum(1),
    )


def _loop(array: Array) -> Lanes:
    """Vector accumulators that run over the array's elements in memory order."""
    flat = array.reshape(-1)
    rows, rest = divmod(flat.size, LANES)

    end = np.int32(rows * LANES)

    def body(carry: tuple[Array, _State]) -> tuple[Array, _State]:
        start, state = carry
        part = lax.dynamic_slice(flat, (start,), (LANES,))
        return start + np.int32(LANES), _accumulate(state, part)

    # A fori_loop counts twice, and each counter is a kernel to compile.
    _, state = lax.while_loop(
        lambda carry: carry[0] < end, body, (jnp.int32(0), _start(array))
    )
    if rest:
        tail = lax.slice(flat, (rows * LANES,), (flat.size,))
        zero = np.zeros((), tail.dtype)
        tail = lax.pad(tail, zero, [(0, LANES - rest, 0)])
        state = _accumulate(state, tail)
    total, squares, largest, bad = state
    return Lanes(total, squares, largest, bad)


def _reductions(array: Array) -> Lanes:
    """Plain reductions, one fused kernel where the compiler fuses them."""
    total, squares, largest, bad = _parts(array)
    return Lanes(
        total.sum()[None],
        squares.sum()[None],
        jnp.max(largest, initial=0)[None],
        bad.sum(dtype=np.int64)[None],
    )


_State = tuple[Array, Array, Array, Array]


def _work_dtype(dtype: np.dtype) -> np.dtype:
    """What elements are converted to before they are added up, without loss."""
    if _is_narrow(dtype):
        return np.dtype(np.float32)
    is_complex = jax.dtypes.issubdtype(dtype, np.complexfloating)
    return np.dtype(np.complex128 if is_complex else np.float64)


def _total_dtype(array: Array) -> np.dtype:
    return np.dtype(np.complex128 if jnp.iscomplexobj(array) else np.float64)


def _start(array: Array) -> _State:
    largest = np.int32 if _is_narrow(array.dtype) else np.float64
    return (
        jnp.zeros(LANES, _total_dtype(array)),
        jnp.zeros(LANES, np.float64),
        jnp.zeros(LANES, largest),
        jnp.zeros(LANES, np.int32),
    )


def _accumulate(state: _State, part: Array) -> _State:
    total, squares, largest, bad = _parts(part)
    return (
        state[0] + total,
        state[1] + squares,
        jnp.maximum(state[2], largest),
        state[3] + bad,
    )


INFINITY_BITS = 0x7F800000


def _parts(part: Array) -> _State:
    """What each element adds to the total, the squares, the largest, the bad."""
    if _is_narrow(part.dtype):
        # Magnitudes of floats order like the integers of their bits, and an
        # integer maximum needs no care for NaN: a third faster than floats.
        single = part.astype(np.float32)
        bits = lax.bitcast_convert_type(single, np.int32) & np.int32(0x7FFFFFFF)
        finite = bits < np.int32(INFINITY_BITS)
        number = lax.select(finite, single, lax.full_like(single, 0))
        number = number.astype(np.float64)
        return (
            number,
            number * number,
            lax.select(finite, bits, lax.full_like(bits, 0)),
            (~finite).astype(np.int32),
        )
    wide = part.astype(_total_dtype(part))
    if jnp.iscomplexobj(wide):
        finite = lax.is_finite(lax.real(wide)) & lax.is_finite(lax.imag(wide))
    else:
        finite = lax.is_finite(wide)
    number = lax.select(finite, wide, lax.full_like(wide, 0))
    size = lax.abs(number)
    return number, size * size, size, (~finite).astype(np.int32)


def _is_narrow(dtype: np.dtype) -> bool:
    """Floats that float32 holds exactly."""
    floating = jax.dtypes.issubdtype(dtype, np.floating)
    return floating and jnp.finfo(dtype).bits <= 32


def _magnitude(largest: Array) -> Array:
    """Largest magnitudes as float64, from bits where they were kept as bits."""
    if largest.dtype == np.int32:
        largest = lax.bitcast_convert_type(largest, np.float32)
    return largest.astype(np.float64)
