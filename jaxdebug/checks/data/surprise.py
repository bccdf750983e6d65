"""Whether rows that are equal are copies, or rows that often occur.

A row of many numbers that are rarely seen does not occur twice by chance; one of few
categories does. How surprising a row is, is counted in bits: of each column, the
logarithm of how rare its value is. Columns depend on each other, so that only half of
the bits count: it must exceed, by a margin, the bits that choose a pair of rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxdebug.checks.data.fields import INPUT
from jaxdebug.checks.data.scan import Scan

MARGIN = 10.0
"""Bits: a pair of equal rows that chance makes once in a thousand data sets."""

MOST_COLUMNS = 512
"""Of wider rows so many columns are looked at; the others can only add bits."""

TYPICAL = 100
"""If none of the equal rows was sampled, so many others stand for them."""


def row_bits(block: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """How surprising some rows of a sample are.

    Args:
        block: float64[rows, width].
        chosen: indices of rows.

    Returns:
        float64, bits of each chosen row; 0 of one whose numbers are all the same, as
        of a blank image.
    """
    width = block.shape[1]
    picked = np.unique(np.linspace(0, width - 1, min(width, MOST_COLUMNS)).astype(int))
    bits = np.zeros(len(chosen))
    for at in picked:
        _, places, counts = np.unique(
            block[:, at], return_inverse=True, return_counts=True
        )
        bits += np.log2(len(block) / counts[places[chosen]])
    rows = block[chosen]
    blank = (rows == rows[:, :1]).all(1) & (width > 1)
    return np.where(blank, 0.0, bits)


def are_copies(one: Scan, other: Scan, rows: Sequence[int]) -> bool:
    """Whether equal rows of two splits can only be copies of each other.

    Args:
        one: the first split.
        other: the second, which may be the same.
        rows: numbers of sampled rows of the first that are equal to one of the other.
            If there is none, the least surprising tenth of all rows decides.
    """
    block = np.concatenate([one.sample.arrays[at] for at in one.of_role(INPUT)], 1)
    if rows:
        chosen = np.flatnonzero(np.isin(one.sample.rows, rows))
        bits = float(np.median(row_bits(block, chosen)))
    else:
        chosen = np.arange(min(TYPICAL, len(block)))
        bits = float(np.quantile(row_bits(block, chosen), 0.1))
    return bits / 2 > float(np.log2(one.rows * other.rows)) + MARGIN
