"""How far the units of a parameter are apart: identical ones may never part."""

from __future__ import annotations

import numpy as np


def apart(array: np.ndarray) -> np.ndarray:
    """For each axis, the largest distance of a slice from the first one.

    It is 0 where all slices are equal, NaN where there is a NaN.

    Cost:
        One pass over the array for each axis, on the host.
    """
    if not array.size:
        return np.zeros(array.ndim)
    wide = np.promote_types(np.float32, array.dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        distances = [
            np.abs(np.subtract(array, array.take([0], axis), dtype=wide)).max()
            for axis in range(array.ndim)
        ]
    return np.array(distances, np.float64)
