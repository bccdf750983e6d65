"""How likely chance alone is to do as much: bounds that hold at every size."""

from __future__ import annotations

import math

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


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The largest distance of the empirical distributions (Kolmogorov, Smirnov).

    Args:
        one: [rows, columns].
        other: [rows, columns].

    Returns:
        float64[columns], from 0 to 1. NaN counts as the largest value.

    Example:
        >>> distances(np.array([[1.0], [2.0]]), np.array([[2.0], [3.0]])).tolist()
        [0.5]
    """
    one, other = np.sort(one, axis=0), np.sort(other, axis=0)
    found = np.zeros(one.shape[1])
    for at in range(one.shape[1]):
        mine, theirs = one[:, at], other[:, at]
        every = np.concatenate([mine, theirs])
        below = np.searchsorted(mine, every, "right") / len(mine)
        found[at] = np.abs(
            below - np.searchsorted(theirs, every, "right") / len(theirs)
        ).max()
    return found


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
