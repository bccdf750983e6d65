"""Sixteen bytes for every row of a split: what to find equal and near rows by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

PARTS = 8
"""Rows are sorted in so many parts, one after the other, to need no second store."""


class RowStore:
    """The hash of the inputs of each row, and its sketch beside the targets' hash.

    Attributes:
        hashes: blocks of uint64, in the order of the rows.
        sketches: blocks of uint64: 48 bits of the sketch, then 16 of the targets.
    """

    def __init__(self) -> None:
        self.hashes: list[np.ndarray] = []
        self.sketches: list[np.ndarray] = []

    def add(
        self, hashes: np.ndarray, codes: np.ndarray, targets: np.ndarray | None
    ) -> None:
        """Append rows.

        Args:
            hashes: of the inputs.
            codes: 48 bits each.
            targets: hashes of the targets, whose highest 16 bits are kept.
        """
        packed = codes << np.uint64(16)
        if targets is not None:
            packed |= targets >> np.uint64(48)
        self.hashes.append(hashes)
        self.sketches.append(packed)

    def hashes_of(self, numbers: np.ndarray) -> np.ndarray:
        """The hashes of some rows; none if no inputs were added.

        Args:
            numbers: of the rows, in any order.
        """
        result = np.empty(len(numbers) if self.hashes else 0, np.uint64)
        start = 0
        for block in self.hashes:
            mine = (numbers >= start) & (numbers < start + len(block))
            result[mine] = block[numbers[mine] - start]
            start += len(block)
        return result

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(map(len, self.hashes))


class Part(NamedTuple):
    """Rows of several splits whose keys begin alike, sorted by the key.

    Attributes:
        keys: uint64, sorted.
        splits: index of the split of each row.
        rows: its number in the split.
        hashes: of its inputs.
        sketches: and targets.
    """

    keys: np.ndarray
    splits: np.ndarray
    rows: np.ndarray
    hashes: np.ndarray
    sketches: np.ndarray


def sorted_parts(stores: Sequence[RowStore], rotation: int | None) -> Iterator[Part]:
    """The rows of all splits, by hash or by rotated sketch.

    Args:
        stores: one a split.
        rotation: None sorts by the hash; otherwise by the sketch, whose bit of this
            number, counted from the highest, comes first.

    Cost:
        One eighth of the rows is copied at a time, if their keys are spread evenly.
    """
    total = sum(store.rows for store in stores)
    shift = np.uint64(64 - (PARTS.bit_length() - 1))
    for part in range(PARTS) if total > 1 << 12 else (None,):
        pieces = []
        for index, store in enumerate(stores):
            start = 0
            for hashes, sketches in zip(store.hashes, store.sketches, strict=True):
                keys = hashes if rotation is None else _rotated(sketches, rotation)
                place = slice(None) if part is None else keys >> shift == part
                kept = keys[place]
                rows = np.arange(start, start + len(keys), dtype=np.int64)[place]
                which = np.full(len(kept), index, np.int8)
                pieces.append((kept, which, rows, hashes[place], sketches[place]))
                start += len(keys)
        joined = [np.concatenate(column) for column in zip(*pieces, strict=True)]
        order = np.argsort(joined[0], kind="stable")
        yield Part(*(column[order] for column in joined))


def _rotated(sketches: np.ndarray, rotation: int) -> np.ndarray:
    """The 48 bits of the sketch, rotated, as the highest bits of the key."""
    code = sketches >> np.uint64(16)
    if rotation:
        code = (code << np.uint64(rotation)) | (code >> np.uint64(48 - rotation))
    return code << np.uint64(16)
