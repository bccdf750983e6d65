"""How large the error of a whole gradient can be, at a stated confidence.

Along a standard normal direction the error of the slope is itself normal, with the
norm of the gradient's error as its deviation, whatever the number of parameters.
So the sum of K squared errors is that norm squared times a chi-squared variable of
K degrees of freedom, and its lower quantile bounds the norm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv

CONFIDENCE = 0.999


@dataclass(frozen=True)
class Certificate:
    """A bound on the error of the whole gradient's logic.

    Attributes:
        error: bound on the norm of the error, relative to the gradient's norm; each
            leaf measured in its scale. Infinite if it could not be bounded.
        confidence: probability, over the directions, that the bound holds.
        directions: how many random directions it rests on.
    """

    error: float
    confidence: float
    directions: int


def certify(
    gaps: Sequence[float],
    bars: Sequence[float],
    norm: float,
    confidence: float = CONFIDENCE,
) -> Certificate:
    """Bound the error from what each direction says.

    Args:
        gaps: of the slope by the gradient against the one by differences.
        bars: bounds on the errors of the latter.
        norm: of the gradient.
        confidence: of the bound.

    Example:
        >>> certify([1e-9] * 4, [0.0] * 4, norm=1.0).error < 1e-8
        True
    """
    count = len(gaps)
    total = float(np.sqrt(np.sum((np.abs(gaps) + np.asarray(bars)) ** 2)))
    quantile = 2 * float(gammaincinv(count / 2, 1 - confidence))
    error = total / np.sqrt(quantile) / norm if norm > 0 else np.inf
    if norm == 0 and total == 0:
        error = 0.0
    return Certificate(
        float(error) if np.isfinite(error) else np.inf, confidence, count
    )
