"""How alike the target of a row is to that of the row before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Series(NamedTuple):
    """Sums over the numbers of rows that follow each other.

    Attributes:
        count: of numbers.
        total: their sum.
        squares: sum of their squares.
        products: sum of each times the next.
        first: of the numbers.
        last: of the numbers.
    """

    count: int
    total: float
    squares: float
    products: float
    first: float
    last: float

    @property
    def correlation(self) -> float:
        """Of each number with the next; 0 if they are all one."""
        mean = self.total / self.count
        variance = self.squares / self.count - mean**2
        if self.count < 2 or variance <= 1e-12 * (self.squares / self.count):
            return 0.0
        return float((self.products / (self.count - 1) - mean**2) / variance)


def ranks(numbers: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The share of some levels that each number reaches, less a half.

    A few numbers far from all others would decide a correlation of the numbers
    themselves.

    Args:
        numbers: float64[rows].
        levels: sorted.

    Example:
        >>> ranks(np.array([-9.0, 1.0, 1e9]), np.array([0.0, 1.0])).tolist()
        [-0.5, 0.5, 0.5]
    """
    return np.searchsorted(levels, numbers, "right") / len(levels) - 0.5


def series_of(apart: np.ndarray) -> Series:
    """Of some rows.

    Args:
        apart: float64[rows], numbers not far from zero.
    """
    return Series(
        len(apart),
        float(apart.sum()),
        float(apart @ apart),
        float(apart[1:] @ apart[:-1]),
        float(apart[0]),
        float(apart[-1]),
    )


def merged(one: Series, other: Series) -> Series:
    """Of the rows of both, `one`'s before the `other`'s."""
    return Series(
        one.count + other.count,
        one.total + other.total,
        one.squares + other.squares,
        one.products + other.products + one.last * other.first,
        one.first,
        other.last,
    )
