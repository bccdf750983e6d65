"""How alike the target of a row is to that of the row before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Series(NamedTuple):
    """Sums over the numbers of rows that follow each other, shifted by `origin`.

    Attributes:
        origin: near all of them, so that sums of products lose no digits.
        count: of numbers.
        total: their sum.
        squares: sum of their squares.
        products: sum of each times the next.
        first: of the numbers.
        last: of the numbers.
    """

    origin: float
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


def series_of(numbers: np.ndarray, origin: float) -> Series:
    """Of some rows.

    Args:
        numbers: float64[rows].
        origin: the same for all rows of a split.
    """
    apart = numbers - origin
    return Series(
        origin,
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
        one.origin,
        one.count + other.count,
        one.total + other.total,
        one.squares + other.squares,
        one.products + other.products + one.last * other.first,
        one.first,
        other.last,
    )
