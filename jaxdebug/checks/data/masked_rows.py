"""Splits that are one set of rows, such as a graph, of which each counts others."""

from __future__ import annotations

import numpy as np

from jaxdebug.checks.data.fields import OTHER
from jaxdebug.checks.data.scan import Scan


def told_apart(one: Scan, other: Scan) -> str | None:
    """Name the field, no input or target, that says which rows of each split count.

    Both splits have the same inputs in the same order, and no row counts in both.

    Args:
        one: the first split.
        other: the second.
    """
    splits = one, other
    # Only of splits that are kept whole the rows are known one by one.
    if any(split.rows != len(split.sample.rows) for split in splits):
        return None
    first, second = (split.store.hashes_of(split.sample.rows) for split in splits)
    if not np.array_equal(first, second):
        return None
    for at in one.of_role(OTHER):
        masks = [split.sample.arrays[at] for split in splits]
        both = np.concatenate(masks, 1)
        if both.shape[1] != 2 or not np.isin(both, (0, 1)).all():
            continue
        if both.any(0).all() and not both.all(1).any():
            return one.fields[at].name
    return None
