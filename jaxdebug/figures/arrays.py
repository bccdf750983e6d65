"""Arrays that a figure is given, refused where they cannot be drawn."""

from __future__ import annotations

from typing import Any

import numpy as np


def require_pairs(what: str, first: Any, second: Any) -> tuple[np.ndarray, np.ndarray]:
    """Two flat arrays of one size, in float64.

    Args:
        what: they are, for the message.
        first: numbers of the horizontal axis.
        second: numbers of the vertical axis.

    Raises:
        ValueError: if they are none.
    """
    try:
        x, y = (np.asarray(one, np.float64) for one in (first, second))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{what}: expected two arrays of numbers; found {first!r:.40} and "
            f"{second!r:.40}: {error}."
        ) from None
    if x.ndim != 1 or x.shape != y.shape or not x.size:
        raise ValueError(
            f"{what}: expected two flat arrays of one size, which is not 0; found "
            f"shapes {x.shape} and {y.shape}."
        )
    return x, y
