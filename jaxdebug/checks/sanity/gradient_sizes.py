"""The norm of a gradient, and of what two of them differ by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def norm(leaves: Iterable[Any]) -> float:
    """Of all arrays together."""
    squares = (np.square(np.asarray(leaf, np.float64)).sum() for leaf in leaves)
    return float(np.sqrt(sum(squares)))


def apart(first: Sequence[Any], second: Sequence[Any]) -> float:
    """The norm of the difference of two gradients of the same parameters."""
    return norm(
        np.asarray(a, np.float64) - np.asarray(b, np.float64)
        for a, b in zip(first, second, strict=True)
    )
