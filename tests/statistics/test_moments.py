"""Moments against NumPy float64, over shapes, dtypes, scales, NaN and Inf.

The bar: a sum is within 1e-6 of the sum of magnitudes, counts are exact. Slightly wrong
twins of `moments` are refused by the same bar.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdebug.statistics.moments import Moments, combine, empty, moments
from jaxdebug.statistics.summary import summarize

BAR = 1e-6

FLOATS = (np.float32, np.float16, ml_dtypes.bfloat16)
NARROW = (ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2)
WHOLE = (np.int8, np.uint8, np.int32, np.bool_)
WIDE = (np.float64, np.complex128)
# Nothing, one row that is not full, full rows, columns with elements left over.
SHAPES = ((0, 3), (), (5, 7), (2, 1024), (16411,))

measured = jax.jit(moments)
spread = jax.jit(partial(moments, spread=True))


@jax.jit
def both_records(x: Any) -> tuple[Moments, Moments]:
    """Compiled together, which takes less than one after the other."""
    return moments(x), moments(x, spread=True)


def drawn(dtype: Any, shape: tuple[int, ...], scale: float, seed: int) -> np.ndarray:
    """Numbers about `scale` as the dtype holds them."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=shape) + rng.choice([0, 1, 3])
    if np.dtype(dtype).kind == "c":
        numbers = numbers + 1j * rng.normal(size=shape)
    if dtype in WHOLE:
        return np.clip(np.abs(numbers) * 20, 0, 100).astype(dtype)
    with np.errstate(over="ignore"):
        return np.asarray(numbers * scale).astype(dtype)


def spoiled(array: np.ndarray, values: list[float], seed: int) -> np.ndarray:
    """The array with values that are not finite in some places."""
    if array.dtype in WHOLE or array.dtype in NARROW:
        return array
    array = array.copy()
    rng = np.random.default_rng(seed)
    for value in values:
        if array.size:
            array.reshape(-1)[rng.integers(array.size)] = value
    return array


def accept(record: Moments, array: np.ndarray) -> None:
    """Raise AssertionError where a record is not that of the array."""
    found = summarize(jax.device_get(record))
    kind = np.complex128 if np.iscomplexobj(array) else np.float64
    wide = np.asarray(array).astype(kind).reshape(-1)
    finite = wide[np.isfinite(wide)]
    size = np.abs(finite)
    assert found["count"] == wide.size
    assert found["nonfinite"] == wide.size - finite.size
    assert np.abs(found["sum"] - finite.sum()) <= BAR * size.sum()
    if "zeros" in found:
        assert found["zeros"] == np.sum(finite == 0)
        smallest = size[size > 0].min(initial=np.inf)
        assert found["smallest"] == pytest.approx(smallest, rel=BAR)
    largest = size.max(initial=0)
    assert np.abs(found["max"] - largest) <= BAR * largest
    if not finite.size:
        assert np.isnan(found["mean"])
        assert np.isnan(found["rms"])
        return
    rms = np.sqrt(np.mean(size**2))
    assert np.abs(found["rms"] - rms) <= BAR * rms


@pytest.mark.slow
@given(
    st.sampled_from((*FLOATS, *NARROW, *WHOLE, np.complex64)),
    st.sampled_from(SHAPES),
    st.integers(-30, 30),
    st.lists(st.sampled_from((np.nan, np.inf, -np.inf, 0.0)), max_size=3),
    st.integers(0, 2**16),
)
def test_moments_are_those_of_the_array(
    dtype: Any, shape: Any, power: int, values: list[float], seed: int
) -> None:
    scale = 10.0**power if dtype in (np.float32, np.complex64) else 1.0
    array = spoiled(drawn(dtype, shape, scale, seed), values, seed)
    if dtype is np.float32:
        # Devices flush subnormal numbers, which the docstring of `probe` says.
        array = np.where(np.abs(array) < np.finfo(dtype).tiny, dtype(0), array)
    for record in both_records(array):
        accept(record, array)


def test_several_rounds_of_columns() -> None:
    """Sizes that need two and three rounds, divided by nothing and by everything."""
    for size in (131_101, 2**18):
        array = drawn(np.float32, (size,), 1.0, 0)
        array[::7] = 0
        accept(measured(array), array)
        accept(spread(array), array)


@pytest.mark.parametrize("dtype", WIDE)
@pytest.mark.parametrize("power", [-30, 0, 30, 140])
def test_moments_of_64_bit_numbers(dtype: Any, power: int) -> None:
    with jax.enable_x64(True):
        array = drawn(dtype, (3000,), 10.0**power, power + 30)
        accept(jax.jit(moments)(array), array)


@pytest.mark.parametrize("power", [-45, -38, 38])
def test_moments_at_the_ends_of_float32(power: int) -> None:
    array = drawn(np.float32, (2000,), 10.0**power, 0)
    array[np.abs(array) < np.finfo(np.float32).tiny] = 0
    accept(measured(array), array)


# Slightly wrong twins


def running_float32_sum(array: np.ndarray) -> Moments:
    """A sum added up one by one in float32, as a naive loop would."""
    right = measured(array)
    total = np.float32(0)
    for number in np.asarray(array, np.float32).reshape(-1):
        total += number
    mantissa, exponent = np.frexp(total)
    return right._replace(
        total=type(right.total)(jnp.float32(mantissa), jnp.int32(exponent))
    )


def one_too_many(array: np.ndarray) -> Moments:
    right = measured(array)
    return right._replace(count=right.count.at[1].add(1))


def infinities_are_finite(array: np.ndarray) -> Moments:
    return measured(array)._replace(nonfinite=measured(array[:-1]).nonfinite)


def last_element_lost(array: np.ndarray) -> Moments:
    return measured(array[:-1])._replace(count=measured(array).count)


def slightly_scaled(array: np.ndarray) -> Moments:
    right = measured(array)
    mantissa = right.squares.mantissa * np.float32(1 + 5e-6)
    return right._replace(squares=right.squares._replace(mantissa=mantissa))


@pytest.mark.parametrize(
    "twin",
    [
        running_float32_sum,
        one_too_many,
        infinities_are_finite,
        last_element_lost,
        slightly_scaled,
    ],
)
def test_wrong_twins_are_refused(twin: Callable[..., Moments]) -> None:
    array = np.full(30000, 0.1, np.float32)
    array[-1] = np.inf if twin is infinities_are_finite else 0.3
    accept(measured(array), array)
    with pytest.raises(AssertionError):
        accept(twin(array), array)


# Under transformations


ROWS = drawn(np.float32, (6, 40), 1e20, 1)


def test_under_vmap() -> None:
    record = jax.jit(jax.vmap(moments))(ROWS)
    for index, row in enumerate(ROWS):
        accept(jax.tree.map(lambda leaf, i=index: leaf[i], record), row)


def test_under_grad() -> None:
    """Statistics have no derivative and leave that of the function alone."""

    def function(x: jax.Array) -> Any:
        return jnp.sum(jnp.sin(x)), moments(x)

    gradient, record = jax.jit(jax.grad(function, has_aux=True))(ROWS)
    np.testing.assert_allclose(gradient, np.cos(ROWS), rtol=1e-5)
    accept(record, ROWS)


def test_combined_moments_are_those_of_both() -> None:
    """Halves of very different scales, and nothing at all."""
    both = jax.jit(lambda a, b: combine(moments(a), moments(b)))
    for scale in (1e-25, 1.0, 1e25):
        left, right = ROWS[:3], ROWS[3:] * np.float32(1e-20) * np.float32(scale)
        accept(both(left, right), np.concatenate([left, right]))
    struct = jax.eval_shape(moments, ROWS)
    joined = jax.jit(combine)
    accept(joined(measured(ROWS), empty(struct)), ROWS)
    accept(joined(empty(struct), measured(ROWS)), ROWS)
    wide = jax.eval_shape(spread, ROWS)
    accept(joined(spread(ROWS), empty(wide)), ROWS)
    accept(joined(empty(wide), spread(ROWS)), ROWS)
    accept(joined(spread(ROWS[:3]), spread(ROWS[3:])), ROWS)


def test_counts_beyond_31_bits() -> None:
    """Counts are two limbs: adding up does not overflow an int32."""
    record = measured(ROWS)
    joined = jax.jit(combine)
    for _ in range(30):
        record = joined(record, record)
    found = summarize(jax.device_get(record))
    assert found["count"] == ROWS.size * 2**30
    assert abs(found["sum"] / (2**30 * ROWS.astype(np.float64).sum()) - 1) < 1e-4


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16, np.int8, np.bool_])
def test_under_strict_promotion(dtype: Any) -> None:
    array = drawn(dtype, (5, 7), 1.0, 0)
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        struct = jax.eval_shape(moments, array)
        both = jax.jit(lambda a: combine(moments(a), empty(struct)))
        accept(both(array), array)
