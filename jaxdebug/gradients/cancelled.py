"""Gaps between two derivatives that are the rounding of one of them.

A rule is often written because its function's own derivative cancels, as that of
(1 - cos x) / x**2 near zero: there the rule is right, and what it is held against is
not. A wrong rule is off by as much beside the point as at it, smoothly; rounding jumps
from point to point.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxdebug.gradients.call_gaps import Gaps
from jaxdebug.gradients.coordinates import Coordinates
from jaxdebug.gradients.moves import NEAR
from jaxdebug.gradients.rule_verdict import AGREEMENT, LINEAR

POINTS = 8
"""In each half of the line: a kink between two of them is in one half alone."""

DISPLACEMENTS = tuple(
    NEAR * (1 + (k + k * np.sqrt(2) % 1) / 10) for k in range(2 * POINTS)
)
"""Points at which a gap is asked for again: close to one another, yet so far that a
difference of nearly equal numbers is rounded otherwise at each. Spaced unevenly: what
is rounded has steps, and an even spacing may fit into them."""

DEGREE = 3
"""Of the polynomial that a smooth gap is, on half of the line."""

LARGEST = 30.0
"""A gap of no more than so many times its own noise is noise."""


def is_noise(gaps: np.ndarray) -> np.ndarray:
    """Whether gaps along a line of points are noise.

    Args:
        gaps: (points, ...), at each of `DISPLACEMENTS`.

    Returns:
        (...) of bool.
    """
    along = np.moveaxis(np.asarray(gaps, np.float64), 0, -1)
    if not np.isfinite(along).all():
        return np.zeros(along.shape[:-1], bool)
    halves = along[..., :POINTS], along[..., POINTS:]
    places = np.split(np.asarray(DISPLACEMENTS) / NEAR, 2)
    noise = np.minimum(*map(_not_smooth, halves, places))
    return np.abs(along).max(axis=-1) <= LARGEST * noise


def _not_smooth(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The standard deviation of what is left beside a polynomial."""
    powers = np.vander(places - places.mean(), DEGREE + 1)
    basis = np.linalg.qr(powers)[0]
    left = values - values @ basis @ basis.T
    return np.sqrt((left**2).sum(axis=-1) / (POINTS - DEGREE - 1))


def cancels(gaps: Sequence[Gaps]) -> bool:
    """Whether all by which a call's rule and its body differ is noise.

    Args:
        gaps: of one call at each of the points, without the axis of points.
    """
    # The worst of many iterations may be another one at each point.
    merged = any(g.loop is not None and np.any(g.loop.worst >= 0) for g in gaps)
    return not merged and _all_noise([each.at for each in gaps])


def pullback_cancels(gaps: Sequence[Gaps]) -> bool:
    """Whether all by which a pullback is not linear is noise."""
    gap = np.stack([each.linear for each in gaps])
    return bool((is_noise(gap) | (gap.max(axis=0) <= LINEAR)).all())


def _all_noise(found: Sequence[Coordinates]) -> bool:
    if any(np.any(each.broken) for each in found):
        return False
    relative = np.stack([each.gap for each in found])
    absolute = np.stack([each.absolute for each in found])
    differs = relative.max(axis=0) > AGREEMENT
    return bool((is_noise(absolute) | ~differs).all())
