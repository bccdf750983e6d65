"""How many rows of a sample say something new: copies of a row do not."""

from __future__ import annotations

import numpy as np

from jaxdebug.checks.data.fields import INPUT
from jaxdebug.checks.data.scan import Scan
from jaxdebug.checks.data.surprise import row_bits

MORE = 10.0
"""Rows are drawn again and again if so many times more are equal to an earlier one
than rows drawn one by one would be."""

TYPICAL = 100
"""So many of the repeated rows stand for all."""


def different_rows(scan: Scan) -> int:
    """Rows of the sample of a split, without copies of its other rows.

    Where training draws rows again and again, a sample of many rows is one of few.
    Rows of few categories are equal without being copies: they count.

    Args:
        scan: of the split.
    """
    rows = len(scan.sample.rows)
    hashes = scan.store.hashes_of(scan.sample.rows)
    _, places, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    repeated = np.flatnonzero(counts[places] > 1)
    if not len(repeated):
        return rows
    block = np.concatenate([scan.sample.arrays[at] for at in scan.of_role(INPUT)], 1)
    chosen = repeated[:: -(-len(repeated) // TYPICAL)]
    # Columns depend on each other: only half of the bits count, as in `surprise`.
    chance = len(counts) * 2.0 ** -(np.median(row_bits(block, chosen)) / 2)
    return len(counts) if rows - len(counts) > MORE * rows * chance else rows
