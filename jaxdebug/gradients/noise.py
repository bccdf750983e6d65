"""The noise of a computed function, measured from its own values.

A computed function is a smooth one plus an error that jumps from point to
point: rounding, a sum in another order, a solver that stops early. Differences
of high order remove the smooth part and leave the jumps. The precision of the
result says too little: a float32 result of bfloat16 products is four orders
noisier than float32.
"""

from __future__ import annotations

import math

import numpy as np

FLOAT64 = float(np.finfo(np.float64).eps)

ULPS = 2.0
"""No value is trusted to less than so many units in its last place."""

WINDOW = 4
"""Rungs of a ladder whose values make one high difference."""

LOOKS = 3
"""Windows at the fine end that each rung is measured by at least: one may be small
by chance."""

BOUND = 2.0
"""From the size of the noise to a bound on it."""


def table_noise(values: np.ndarray) -> np.ndarray:
    """The standard deviation of the noise of equally spaced values.

    The difference table of Hamming, as used by Moré and Wild, "Estimating
    computational noise", SIAM J. Sci. Comput. 33 (2011), section 3: differences
    of order k of independent noise have the variance (2k)! / (k!)**2 times that
    of the noise. The first order is taken from which on three estimates agree
    within a factor of four and the differences have both signs.

    Args:
        values: (..., points), at least six, spaced closely.

    Returns:
        (...) of the noise; not a number where the spacing is too wide to tell.
    """
    table = np.asarray(values, np.float64)
    count = table.shape[-1]
    if count < 6:
        raise ValueError(f"expected at least 6 values, found {count}")
    sizes, mixed = [], []
    for order in range(1, count - 1):
        table = np.diff(table, axis=-1)
        factor = math.factorial(order) ** 2 / math.factorial(2 * order)
        sizes.append(np.sqrt(factor * np.mean(table**2, axis=-1)))
        mixed.append((table.min(axis=-1) < 0) & (table.max(axis=-1) > 0))
    found = np.full(sizes[0].shape, np.nan)
    for order in reversed(range(len(sizes) - 2)):
        three = np.stack(sizes[order : order + 3])
        agree = three.max(axis=0) <= 4 * three.min(axis=0)
        found = np.where(agree & mixed[order], sizes[order], found)
    # Values that are all equal have no signs and no noise.
    return np.where(sizes[0] == 0, 0.0, found)


def rung_noise(
    values: np.ndarray, centre: np.ndarray, moves: np.ndarray, eps: float
) -> np.ndarray:
    """A bound on the noise of the values at every rung of a ladder.

    As `table_noise`, but the points are those of the ladder: a divided difference
    over a window of rungs, by the root of its squared weights. Differences of one
    side without the centre see no kink there, those of both sides have the
    higher order: each leaves a part of what is smooth, so the smallest counts. A
    rung is given the largest of its own window and of all finer ones.

    Args:
        values: (..., rungs, 2) forward and backward, coarsest first.
        centre: (...) value at the point.
        moves: (..., rungs, 2) displacements that made the values, positive.
        eps: relative precision that the function was evaluated in.
    """
    rungs = values.shape[-2]
    width = min(WINDOW, rungs)
    first = np.arange(rungs - width + 1)[:, None] + np.arange(width)
    values_, moves_ = values[..., first, :], moves[..., first, :]
    zero = np.zeros((*values_.shape[:-2], 1))
    middle = zero + centre[..., None, None]
    ahead, behind = values_[..., 0], values_[..., 1]
    to, fro = moves_[..., 0], moves_[..., 1]

    def of_sides(*, with_centre: bool) -> np.ndarray:
        extra = (zero,) if with_centre else ()
        extra_value = (middle,) if with_centre else ()
        sides = [
            _normal_difference(
                np.concatenate((nodes, *extra), -1),
                np.concatenate((side, *extra_value), -1),
            )
            for nodes, side in ((to, ahead), (fro, behind))
        ]
        return np.fmax(*sides)

    both = _normal_difference(
        np.concatenate((to, -fro, zero), -1),
        np.concatenate((ahead, behind, middle), -1),
    )
    seen = (both, of_sides(with_centre=False), of_sides(with_centre=True))
    kinds = np.stack([_largest_from(windows, rungs) for windows in seen])
    noise = kinds.min(axis=0)
    if rungs >= WINDOW + LOOKS:
        # At the finest rungs little but noise is left, and rounded values make one
        # difference or another vanish by chance.
        noise = np.maximum(noise, np.median(kinds[..., -1:], axis=0))
    magnitude = np.abs(
        np.concatenate(
            (values, np.broadcast_to(centre[..., None, None], (*values.shape[:-1], 1))),
            -1,
        )
    )
    magnitude = np.where(np.isfinite(magnitude), magnitude, 0.0).max(axis=-1)
    # Values may have been rounded to zero altogether.
    least = np.finfo(np.float64 if eps <= FLOAT64 else np.float32).tiny
    return np.maximum(BOUND * noise, ULPS * eps * magnitude + least)


def _largest_from(windows: np.ndarray, rungs: int) -> np.ndarray:
    """For each rung the largest of its window and of all finer ones."""
    known = np.isfinite(windows)
    finer = np.where(known, windows, 0.0)[..., ::-1]
    finer = np.maximum.accumulate(finer, axis=-1)[..., ::-1]
    places = np.arange(windows.shape[-1])
    last = np.where(known, places, 0).max(axis=-1, keepdims=True)
    start = np.clip(np.minimum(np.arange(rungs), last + 1 - LOOKS), 0, None)
    return np.take_along_axis(finer, start, -1)


def _normal_difference(nodes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The highest divided difference, scaled to the size of independent noise."""
    with np.errstate(all="ignore"):
        nodes = nodes / np.abs(nodes).max(axis=-1, keepdims=True)
        gaps = nodes[..., :, None] - nodes[..., None, :]
        gaps = np.where(np.eye(nodes.shape[-1], dtype=bool), 1.0, gaps)
        weights = 1 / gaps.prod(axis=-1)
        weights = weights / np.abs(weights).max(axis=-1, keepdims=True)
        difference = (weights * values).sum(axis=-1)
        return np.abs(difference) / np.sqrt((weights**2).sum(axis=-1))
