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

SMALL = 8192
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
    size: int


class Small(NamedTuple):
    """An array that is measured together with others."""

    flat: Array


def lanes(array: Num[Array, "*shape"]) -> Lanes | Small:
    """The one pass over an array; `gather` finishes several arrays at once."""
    array = lax.stop_gradient(jnp.asarray(array))
    with jax.enable_x64(True):
        if jax.default_backend() != "cpu":
            return _reductions(array)
        if array.size <= SMALL:
            return Small(array.reshape(-1))
        return _loop(array)


def finished(each: Sequence[Lanes | Small]) -> list[Lanes]:
    """The last reductions: one for all large arrays, one for all small ones."""
    small: dict[np.dtype, dict[int, Array]] = defaultdict(dict)
    large: dict[np.dtype, dict[int, Lanes]] = defaultdict(dict)
    for index, one in enumerate(each):
        if isinstance(one, Small):
            dtype = _work_dtype(one.flat.dtype)
            small[dtype][index] = one.flat.astype(dtype)
        else:
            large[one.total.dtype][index] = one
    done: dict[int, Lanes] = {}
    for flats in small.values():
        rows = _side_by_side(list(flats.values()))
        done.update(zip(flats, rows, strict=True))
    for lanes_ in large.values():
        done.update(zip(lanes_, _reduced(list(lanes_.values())), strict=True))
    return [done[index] for index in range(len(each))]


def _reduced(each: Sequence[Lanes]) -> list[Lanes]:
    total = jnp.stack([one.total for one in each]).sum(1)
    squares = jnp.stack([one.squares for one in each]).sum(1)
    largest = jnp.stack([one.largest for one in each]).max(1)
    bad = jnp.stack([one.nonfinite for one in each]).sum(1, dtype=np.int64)
    return [
        Lanes(total[i], squares[i], largest[i], bad[i], one.size)
        for i, one in enumerate(each)
    ]


def _side_by_side(flats: Sequence[Array]) -> list[Lanes]:
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
    mine = np.arange(len(flats))[:, None] == owner[None, :]
    select = jnp.asarray(mine.astype(np.float64))
    totals = jnp.dot(select.astype(total.dtype), total.sum(1), precision="highest")
    squares = jnp.dot(select, squares.sum(1), precision="highest")
    tops = _magnitude(jnp.max(largest, axis=1, initial=0))
    tops = jnp.max(select * tops[None, :], axis=1, initial=0.0)
    bads = jnp.sum(jnp.where(mine, bad.sum(1, dtype=np.int32)[None, :], 0), axis=1)
    return [
        Lanes(totals[i], squares[i], tops[i], bads[i], flat.size)
        for i, flat in enumerate(flats)
    ]


def _loop(array: Array) -> Lanes:
    """Vector accumulators that run over the array's elements in memory order."""
    flat = array.reshape(-1)
    rows, rest = divmod(flat.size, LANES)

    def body(row: Array, state: _State) -> _State:
        start = row * np.int32(LANES)
        return _accumulate(state, lax.dynamic_slice(flat, (start,), (LANES,)))

    state = lax.fori_loop(np.int32(0), np.int32(rows), body, _start(array))
    if rest:
        tail = lax.slice(flat, (rows * LANES,), (flat.size,))
        zero = np.zeros((), tail.dtype)
        tail = lax.pad(tail, zero, [(0, LANES - rest, 0)])
        state = _accumulate(state, tail)
    total, squares, largest, bad = state
    return Lanes(total, squares, _magnitude(largest), bad, array.size)


def _reductions(array: Array) -> Lanes:
    """Plain reductions, one fused kernel where the compiler fuses them."""
    total, squares, largest, bad = _parts(array)
    return Lanes(
        total.sum()[None],
        squares.sum()[None],
        _magnitude(jnp.max(largest, initial=0))[None],
        bad.sum(dtype=np.int64)[None],
        array.size,
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
