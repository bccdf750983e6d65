"""Class labels: what they are, how many rows each has, which follows which."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxdebug.checks.data.fields import Field

MOST_CLASSES = 10_000
"""More different whole numbers are counts or identifiers, no classes."""


class Classes(NamedTuple):
    """How often each class occurs, and how often it follows itself.

    Attributes:
        values: int64, the labels that occur, sorted.
        counts: int64, rows of each.
        width: number of classes that one-hot rows have room for; 0 of plain labels.
        first: label of the first row.
        last: label of the last row.
        repeats: rows that have the label of the row before.
    """

    values: np.ndarray
    counts: np.ndarray
    width: int
    first: int
    last: int
    repeats: int

    @property
    def rows(self) -> int:
        """How many rows were counted."""
        return int(self.counts.sum())

    @property
    def shares(self) -> np.ndarray:
        """Of the rows, those of each class."""
        return self.counts / self.rows


def labels_of(field: Field, block: np.ndarray) -> np.ndarray | None:
    """The class of each row, or None if the targets are no classes.

    Whole numbers of an integer dtype are labels, booleans and floats that are all 0 or
    1 are two classes, and rows with a single 1 among zeros are one-hot.

    Args:
        field: of the targets.
        block: float64[rows, width].
    """
    if field.width == 1:
        labels = block[:, 0]
        if field.dtype.kind in "iu" or np.isin(labels, (0, 1)).all():
            return labels.astype(np.int64)
        return None
    if len(field.shape) != 1 or not np.isin(block, (0, 1)).all():
        return None
    return block.argmax(1) if (block.sum(1) == 1).all() else None


def classes_of(field: Field, block: np.ndarray) -> Classes | None:
    """The classes of some rows that follow each other; None if there are none."""
    labels = labels_of(field, block)
    if labels is None:
        return None
    values, counts = np.unique(labels, return_counts=True)
    return Classes(
        values,
        counts,
        field.width if field.width > 1 else 0,
        int(labels[0]),
        int(labels[-1]),
        int((labels[1:] == labels[:-1]).sum()),
    )


def merged(one: Classes | None, other: Classes | None) -> Classes | None:
    """The classes of the rows of both, `one`'s before the `other`'s.

    None if either has none, or if there are too many for classes.
    """
    if one is None or other is None:
        return None
    every = np.concatenate([one.values, other.values])
    values, places = np.unique(every, return_inverse=True)
    if len(values) > MOST_CLASSES:
        return None
    counts = np.zeros(len(values), np.int64)
    np.add.at(counts, places, np.concatenate([one.counts, other.counts]))
    joint = int(one.last == other.first)
    repeats = one.repeats + other.repeats + joint
    return Classes(values, counts, one.width, one.first, other.last, repeats)
