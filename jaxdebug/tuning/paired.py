"""Differences of trainings that begin alike: their mean, and how sure it is.

Student's t of the differences between pairs (Student, "The probable error of a mean",
Biometrika 1908), with Holm's correction for several comparisons (Holm, "A simple
sequentially rejective multiple test procedure", Scandinavian Journal of Statistics
1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

LEVEL = 0.05
"""Of false differences among all comparisons of one call."""


class Paired(NamedTuple):
    """A difference over seeds."""

    mean: float
    half_width: float
    """Of its interval at `1 - LEVEL`, taken alone; infinite with one seed."""
    chance: float
    """To see one as large if there were none."""


def paired(differences: Float[np.ndarray, " seeds"]) -> Paired:
    """The mean of some differences.

    Args:
        differences: one a seed.
    """
    mean = float(np.mean(differences))
    count = len(differences)
    if not np.isfinite(differences).all():
        return Paired(mean, np.inf, 1.0)
    if np.all(differences == 0):
        return Paired(0.0, 0.0, 1.0)
    if count < 2:
        return Paired(mean, np.inf, 1.0)
    error = float(np.std(differences, ddof=1)) / count**0.5
    width = float(stats.t.ppf(1 - LEVEL / 2, count - 1)) * error
    chance = 2 * float(stats.t.sf(abs(mean) / error, count - 1)) if error else 0.0
    return Paired(mean, width, chance)


def told_apart(found: Sequence[Paired]) -> list[bool]:
    """Which of some differences are none of chance, all taken together."""
    apart = [False] * len(found)
    for rank, index in enumerate(np.argsort([one.chance for one in found])):
        if found[index].chance > LEVEL / (len(found) - rank):
            break
        apart[index] = True
    return apart
