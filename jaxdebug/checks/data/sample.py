"""A random sample of the rows of a split, drawn while it is read (Vitter, 1985)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxdebug.checks.data.fields import Field

BYTES, MOST_ROWS = 32 << 20, 1 << 14
"""A sample is no larger than this, whatever the size of the split."""


class Sample:
    """Rows drawn without replacement, each with the same chance.

    Attributes:
        arrays: of each field the drawn rows, float64[rows, width].
        rows: int64, their numbers in the split.
    """

    def __init__(self, fields: Sequence[Field], seed: int) -> None:
        size = sum(max(1, field.width) * 8 for field in fields)
        self._room = int(min(MOST_ROWS, max(64, BYTES // max(1, size))))
        self._random = np.random.default_rng(seed)
        self._seen = 0
        self.arrays = [np.empty((0, field.width)) for field in fields]
        self.rows = np.empty(0, np.int64)

    def add(self, blocks: Sequence[np.ndarray]) -> None:
        """Look at the next rows.

        Args:
            blocks: float64[rows, width] of each field.
        """
        count = len(blocks[0])
        numbers = np.arange(self._seen, self._seen + count)
        fresh = min(count, self._room - len(self.rows))
        if fresh:
            self.rows = np.concatenate([self.rows, numbers[:fresh]])
            self.arrays = [
                np.concatenate([held, block[:fresh]])
                for held, block in zip(self.arrays, blocks, strict=True)
            ]
        later = numbers[fresh:]
        # Row number i takes the place of a held one with probability room / (i + 1).
        places = (self._random.random(len(later)) * (later + 1)).astype(np.int64)
        chosen = np.flatnonzero(places < self._room)
        # Of rows that take one place the last stays, as if they came one by one.
        self.rows[places[chosen]] = later[chosen]
        for held, block in zip(self.arrays, blocks, strict=True):
            held[places[chosen]] = block[fresh:][chosen]
        self._seen += count
