"""48 bits for a row that rows near it share: on which side of 48 planes it lies.

Charikar (2002), with planes that do not pass through the origin, so that rows which
differ only in size are apart too. The planes are random in units of each column's
spread, and lie where the first rows show the middle of the data.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BITS = 48


class Planes:
    """The planes of one data set; frozen at its first rows, for all of its splits.

    Attributes:
        normals: float64[width, 48] for each field.
        offsets: float64[48].
    """

    def __init__(self, blocks: Sequence[np.ndarray], seed: int) -> None:
        random = np.random.default_rng(seed)
        self.normals = []
        for block in blocks:
            with np.errstate(all="ignore"):
                spread = block.std(0)
                scale = np.where((spread > 0) & np.isfinite(spread), 1 / spread, 0.0)
            normals = random.standard_normal((block.shape[1], BITS))
            self.normals.append(
                normals * np.where(np.isfinite(scale), scale, 0)[:, None]
            )
        projected = self._projected(blocks)
        # Not all through the middle: two rows of one direction would be one.
        shares = random.uniform(0.25, 0.75, BITS)
        self.offsets = np.array(
            [
                np.quantile(column, q)
                for column, q in zip(projected.T, shares, strict=True)
            ]
        )

    def fit(self, blocks: Sequence[np.ndarray]) -> bool:
        """Whether rows have as many columns as those that the planes were made for."""
        widths = [len(normals) for normals in self.normals]
        return widths == [block.shape[1] for block in blocks]

    def codes(self, blocks: Sequence[np.ndarray]) -> np.ndarray:
        """uint64[rows], of which the lowest 48 bits are used."""
        sides = self._projected(blocks) > self.offsets
        packed = np.zeros((len(sides), 8), np.uint8)
        packed[:, : BITS // 8] = np.packbits(sides, axis=1)
        return packed.view("<u8")[:, 0].astype(np.uint64)

    def _projected(self, blocks: Sequence[np.ndarray]) -> np.ndarray:
        total = np.zeros((len(blocks[0]), BITS))
        with np.errstate(all="ignore"):
            for block, normals in zip(blocks, self.normals, strict=True):
                total += block @ normals
        return np.nan_to_num(total, copy=False)
