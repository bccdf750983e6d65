"""What is known of every column of a field: counts, moments, extremes, a hash."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NAMED_ROWS = 5
"""So many rows with non-finite values are named."""


class BadValue(NamedTuple):
    """A value that is not finite, and where it stands."""

    row: int
    column: int
    what: str
    """"NaN" or "infinite"."""


class Columns(NamedTuple):
    """Every column of a field over some rows; each array has one entry a column.

    Attributes:
        count: finite values.
        mean: of the finite values.
        squares: sum of their squared distances from the mean.
        low: the smallest, infinite if there is none.
        high: the largest.
        nonzero: how many of them are not zero.
        nan: values that are NaN.
        infinite: values that are infinite.
        hashes: equal for columns of equal values, in order.
        bad_rows: how many rows hold a NaN.
        bad: the first values that are not finite.
    """

    count: np.ndarray
    mean: np.ndarray
    squares: np.ndarray
    low: np.ndarray
    high: np.ndarray
    nonzero: np.ndarray
    nan: np.ndarray
    infinite: np.ndarray
    hashes: np.ndarray
    bad_rows: int
    bad: tuple[BadValue, ...]

    @property
    def variance(self) -> np.ndarray:
        """Of each column, zero where it has no value."""
        return self.squares / np.maximum(self.count, 1)

    @property
    def constant(self) -> np.ndarray:
        """Whether all finite values of a column are one."""
        return (self.low == self.high) & (self.count > 0)


def columns_of(block: np.ndarray, hashes: np.ndarray, start: int) -> Columns:
    """The columns of some rows.

    Args:
        block: float64[rows, width].
        hashes: uint64[width], of these rows.
        start: number of the first row.
    """
    rows, width = block.shape
    none = np.zeros(width, np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        sums = block.sum(0)
        if np.isfinite(sums).all():
            mean = sums / rows
            apart = block - mean
            squares = np.einsum("ij,ij->j", apart, apart)
            nonzero = np.count_nonzero(block, axis=0)
            low, high = block.min(0), block.max(0)
            every = np.full(width, rows)
            return Columns(
                every,
                mean,
                squares,
                low,
                high,
                nonzero,
                none,
                none,
                hashes,
                0,
                (),
            )
        nan, infinite = np.isnan(block), np.isinf(block)
        finite = ~(nan | infinite)
        count = finite.sum(0)
        clean = np.where(finite, block, 0.0)
        mean = clean.sum(0) / np.maximum(count, 1)
        apart = np.where(finite, block - mean, 0.0)
        squares = np.einsum("ij,ij->j", apart, apart)
    # NaN first: infinities stand in masks and are common.
    places = [("NaN", at) for at in np.argwhere(nan)[:NAMED_ROWS]]
    places += [("infinite", at) for at in np.argwhere(infinite)[:NAMED_ROWS]]
    return Columns(
        count,
        mean,
        squares,
        np.where(finite, block, np.inf).min(0),
        np.where(finite, block, -np.inf).max(0),
        np.count_nonzero(clean, axis=0),
        nan.sum(0),
        infinite.sum(0),
        hashes,
        int(nan.any(1).sum()),
        tuple(BadValue(start + int(row), int(at), what) for what, (row, at) in places),
    )


def merged(one: Columns, other: Columns) -> Columns:
    """The columns of the rows of both, `one`'s before the `other`'s.

    Means and squares as in Chan, Golub and LeVeque (1983).
    """
    count = one.count + other.count
    share = other.count / np.maximum(count, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        apart = other.mean - one.mean
        mean = one.mean + apart * share
        squares = one.squares + other.squares + apart**2 * one.count * share
    bad = sorted((*one.bad, *other.bad), key=lambda each: each.what != "NaN")
    return Columns(
        count,
        mean,
        squares,
        np.minimum(one.low, other.low),
        np.maximum(one.high, other.high),
        one.nonzero + other.nonzero,
        one.nan + other.nan,
        one.infinite + other.infinite,
        one.hashes + other.hashes,
        one.bad_rows + other.bad_rows,
        tuple(bad[:NAMED_ROWS]),
    )
