"""Hashes of rows and columns: equal for equal ones, and for no others."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdebug.checks.data.row_hashes import (
    column_sums,
    multipliers,
    row_sums,
    spread,
    values_of,
    words_of,
)


def hashes(array: np.ndarray) -> np.ndarray:
    return spread(row_sums(words_of(array, values_of(array)), 0))


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int32", "int64", "float16", "bfloat16", "float64"]
)
def test_distinct_rows_have_distinct_hashes(dtype: str) -> None:
    # All pairs of small numbers: floats of few digits, whose low bits are all zero.
    top = 2 if dtype == "bool" else 100
    grid = np.stack(np.meshgrid(np.arange(top), np.arange(top)), -1).reshape(-1, 2)
    made = hashes(np.asarray(jnp.asarray(grid, "int32")).astype(jnp.dtype(dtype)))
    assert len(np.unique(made)) == top * top
    for shift in (0, 16, 48):
        low = made >> np.uint64(shift) & np.uint64(0xFFFF)
        assert len(np.unique(low)) > 0.9 * min(top * top, 60_000)


@given(st.permutations(range(5)), st.integers(0, 100))
def test_the_order_of_columns_counts(order: list[int], seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((8, 5))
    same = (hashes(x) == hashes(x[:, order])).all()
    assert same == (list(order) == [*range(5)])


def test_equal_numbers_of_other_dtypes_are_equal() -> None:
    x = np.array([[0.0, 1.5], [-0.0, 1.5]])
    assert hashes(x)[0] == hashes(x)[1] == hashes(x.astype(np.float32))[0]


def test_neighbours_beyond_float64_are_apart() -> None:
    ids = np.array([[2**60], [2**60 + 1]])
    assert hashes(ids)[0] != hashes(ids)[1]


def test_equal_columns_have_equal_hashes_over_chunks() -> None:
    x = np.random.default_rng(0).standard_normal((50, 4))
    x[:, 3] = x[:, 1]
    words = words_of(x, values_of(x))
    whole = column_sums(words, 0)
    assert (whole == column_sums(words[:20], 0) + column_sums(words[20:], 20)).all()
    assert whole[3] == whole[1]
    assert len(np.unique(whole)) == 3


def test_multipliers_are_odd_and_of_one_stream() -> None:
    made = multipliers(100, 0, 3)
    assert (made % 2 == 1).all()
    assert (made[40:] == multipliers(60, 40, 3)).all()
    assert not np.isin(made, multipliers(100, 0, 4)).any()
