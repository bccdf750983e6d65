"""How a training went: whether its loss still falls, and what its batches say of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

SURE = 4.0
"""Standard errors from which on a difference is none of chance."""


LIKELY = 2.0
"""Standard errors from which on a difference is hardly of chance."""


class Difference(NamedTuple):
    """A mean difference and its standard error."""

    mean: float
    error: float

    @property
    def is_positive(self) -> bool:
        """Whether it is surely so."""
        return self.mean > SURE * self.error

    @property
    def is_likely(self) -> bool:
        """Whether it is hardly of chance."""
        return self.mean > LIKELY * self.error

    @property
    def most(self) -> float:
        """Hardly more than this."""
        return self.mean + LIKELY * self.error

    @property
    def is_negative(self) -> bool:
        """Whether it is surely so."""
        return -self.mean > SURE * self.error


def difference(
    first: Float[np.ndarray, " batches"], second: Float[np.ndarray, " batches"]
) -> Difference:
    """By how much the first are larger, batch by batch.

    Args:
        first: losses.
        second: of the same batches.
    """
    gaps = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    spread = float(gaps.std(ddof=1)) if gaps.size > 1 else 0.0
    # What rounding of the losses alone makes is no difference.
    rounding = float(np.abs(first).max(initial=0.0)) * float(np.finfo(np.float32).eps)
    return Difference(float(gaps.mean()), max(spread, rounding) / gaps.size**0.5)


def still_falls(losses: Float[np.ndarray, " steps"]) -> bool:
    """Whether the loss of one batch fell over the last quarter of its steps.

    Args:
        losses: before each step.
    """
    quarter = losses[-max(4, losses.size // 4) :]
    times = np.arange(quarter.size) - (quarter.size - 1) / 2
    slope = float(times @ quarter) / float(times @ times)
    rest = quarter - quarter.mean() - slope * times
    rounding = np.abs(quarter).max() * np.finfo(np.float32).eps
    error = max(float(rest.std()), float(rounding)) / float(times @ times) ** 0.5
    return slope < -SURE * error


def falls_to(
    losses: Float[np.ndarray, " steps"], level: float, times: float = 10.0
) -> bool:
    """Whether a loss would reach a level in so many times its last quarter of steps.

    Args:
        losses: before each step, of one batch.
        level: below the last of them.
        times: how much longer it may take, at the pace of that quarter.
    """
    quarter = losses[-max(4, losses.size // 4) :]
    half = quarter.size // 2
    pace = 2 * float(quarter[:half].mean() - quarter[-half:].mean())
    return float(losses[-1]) - level <= times * pace
