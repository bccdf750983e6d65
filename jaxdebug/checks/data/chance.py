"""How likely chance alone is to do as much: bounds that hold at every size."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

ALARMS = 1e-3
"""How often chance may give a finding, over all that one check compares."""


def tail_bound(hits: float, trials: float, share: float) -> float:
    """An upper bound on the chance of so many hits or more (Hoeffding, 1963).

    Args:
        hits: how many were counted.
        trials: independent, each with its own chance.
        share: the mean of these chances.

    Example:
        >>> tail_bound(10, 10, 0.5) == 0.5**10, tail_bound(5, 10, 0.5)
        (True, 1.0)
    """
    if trials <= 0 or hits <= share * trials:
        return 1.0
    if share <= 0:
        return 0.0
    rate = min(1.0, hits / trials)
    exponent = rate * math.log(rate / share)
    if rate < 1:
        exponent += (1 - rate) * math.log((1 - rate) / (1 - share))
    return math.exp(-trials * exponent)


def least_distance(rows: int, others: int, tests: int) -> float:
    """The distance of two empirical distributions that chance does not reach.

    Over all tests together it reaches it with a probability of at most `ALARMS`
    (Wei and Dudley, 2012; and the union bound).

    Args:
        rows: in one sample.
        others: in the other.
        tests: how many distances are looked at.
    """
    level = math.log(math.e * max(1, tests) / ALARMS)
    return math.sqrt(level / 2 * (1 / rows + 1 / others))


def least_lead(rows: int, others: int, tests: int) -> float:
    """The lead of one sample over another that chance does not reach.

    As `least_distance`, by the normal approximation of the rank-sum statistic (Mann and
    Whitney, 1947); ties make it rarer.
    """
    deviation = math.sqrt((rows + others + 1) / (12 * rows * others))
    level = ALARMS / max(1, tests)
    return NormalDist().inv_cdf(1 - level / 2) * deviation


def distances(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the columns of two samples are distributed apart.

    Args:
        one: [rows, columns].
        other: [rows, columns].

    Returns:
        The largest distance of the empirical distributions (Kolmogorov, Smirnov),
        float64[columns], from 0 to 1, which sees any difference; and the lead of the
        other: the share of all pairs in which its number is the larger, less a half,
        which sees a smaller shift. NaN counts as the largest value.

    Example:
        >>> apart, lead = distances(np.array([[1.0], [2.0]]), np.array([[2.0], [3.0]]))
        >>> apart.tolist(), lead.tolist()
        ([0.5], [0.375])
    """
    one, other = np.sort(one, axis=0), np.sort(other, axis=0)
    apart, lead = np.zeros(one.shape[1]), np.zeros(one.shape[1])
    for at in range(one.shape[1]):
        mine, theirs = one[:, at], other[:, at]
        every = np.concatenate([mine, theirs])
        below = np.searchsorted(mine, every, "right") / len(mine)
        gaps = below - np.searchsorted(theirs, every, "right") / len(theirs)
        apart[at] = np.abs(gaps).max()
        smaller = np.searchsorted(mine, theirs, "left") / len(mine)
        lead[at] = (smaller + below[len(mine) :]).mean() / 2 - 0.5
    return apart, lead


def log_orders(values: np.ndarray) -> float:
    """The logarithm of the number of orders in which some values can stand.

    Example:
        >>> round(math.exp(log_orders(np.array([0, 0, 1]))))
        3
    """
    counts = np.unique(values, return_counts=True)[1]
    sizes, times = np.unique(counts, return_counts=True)
    alike = sum(n * math.lgamma(size + 1) for size, n in zip(sizes, times, strict=True))
    return math.lgamma(len(values) + 1) - alike
