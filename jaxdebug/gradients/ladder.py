"""The slope of a function of one variable from its values on a ladder of steps.

A difference at a large step errs by what the function bends, one at a small
step by the noise of its values. Extrapolation over several steps removes the
bending order by order; what the entries of the tableau still differ by, plus
the noise carried through the same combination, bounds the error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jaxdebug.gradients.noise import FLOAT64, rung_noise
from jaxdebug.gradients.tableau import Side, best_entry, gap_at_zero

LARGEST, SMALLEST, RUNGS = 0.25, 1e-9, 24
"""The long ladder, relative to the scale of what moves. Its ratio is not a whole
number, so that no period of the function divides all steps."""

SURE = 2.0
"""A change of more than so many bounds on the noise of two values is no noise."""


@dataclass(frozen=True)
class Slopes:
    """What a ladder says of the slope at its point, for each direction.

    Attributes:
        central: from both sides; where they differ, the bar covers both.
        forward: from the forward side alone.
        backward: from the backward side alone.
        noise: (..., rungs) bound on the noise of the values.
        around: the largest slope from the point to a rung, noise taken off: the
            size a slope has in the neighbourhood.
    """

    central: Side
    forward: Side
    backward: Side
    noise: np.ndarray
    around: np.ndarray


class Ladder(NamedTuple):
    """Values of a function along a direction, as arrays of equal leading axes."""

    values: np.ndarray
    """(..., rungs, 2) forward and backward, coarsest first."""
    centre: np.ndarray
    """(...) at the point."""
    moves: np.ndarray
    """(..., rungs, 2) displacements, positive; not a number where nothing moved."""
    eps: float
    """Relative precision of the values."""


def steps_of_ladder(
    largest: float = LARGEST, smallest: float = SMALLEST, rungs: int = RUNGS
) -> np.ndarray:
    """Geometric steps, largest first."""
    return np.geomspace(largest, smallest, rungs)


def as_ladder(
    values: np.ndarray,
    centre: np.ndarray | float,
    steps: np.ndarray,
    *,
    eps: float = FLOAT64,
) -> Ladder:
    """Values of a function on a ladder, with the axes that all tools here expect.

    Args:
        values: (..., rungs, 2) at the point plus and minus each step, coarsest
            first.
        centre: (...) at the point.
        steps: what was really added to the point, after rounding: (rungs,),
            (..., rungs), or (..., rungs, 2) if the two sides differ. A step that
            was rounded away, or to the same as the one before, counts as not taken.
        eps: relative precision that the function was evaluated in; that of the
            type the values came in, not of the float64 they are given in.

    Raises:
        ValueError: shapes do not fit, or steps are negative.
    """
    values = np.asarray(values, np.float64)
    if values.ndim < 2 or values.shape[-1] != 2 or values.shape[-2] == 0:
        raise ValueError(f"expected values[..., rungs, 2], found {values.shape}")
    moves = np.asarray(steps, np.float64)
    if moves.shape != values.shape:
        moves = moves[..., None]
    if (moves < 0).any():
        raise ValueError("expected steps >= 0, found a negative one")
    moves = np.broadcast_to(moves, values.shape)
    # Steps that were rounded to the same one say nothing new, and falsely agree.
    again = np.zeros(values.shape, bool)
    again[..., 1:, :] = moves[..., 1:, :] == moves[..., :-1, :]
    moves = np.where(again | (moves == 0), np.nan, moves)
    start = np.broadcast_to(np.asarray(centre, np.float64), values.shape[:-2])
    return Ladder(values, start, moves, eps)


def slopes_on_ladder(ladder: Ladder, *, noise: float | np.ndarray = 0.0) -> Slopes:
    """The slope at the point of a ladder, with a bound on its error.

    Central and one-sided differences are extrapolated to a step of zero by
    Neville's scheme at the steps that were really taken (Ridders, "Accurate
    computation of F'(x) and F'(x)F''(x)", Adv. Eng. Softw. 4 (1982); Numerical
    Recipes, section 5.7). The entry with the smallest bar is taken. A bar is the
    larger change from the entries before, plus the noise carried through the
    same combination; for the central slope also the difference of the two
    sides, extrapolated likewise: a difference over a symmetric feature is
    steady, and wrong, at every step wider than the feature.

    Args:
        ladder: as from `as_ladder`.
        noise: (...) of the values, if more is known than can be measured.

    Limits:
        A feature narrower than every step, and rounding inside the function that
        hides every change of it, cannot be seen.
    """
    with np.errstate(all="ignore"):
        size = np.nan_to_num(ladder.moves).max(axis=(-2, -1), keepdims=True)
        moves = ladder.moves / size
        values, centre = ladder.values, ladder.centre[..., None]
        measured = rung_noise(values, ladder.centre, moves, ladder.eps)
        noises = np.maximum(measured, np.asarray(noise)[..., None])
        to, fro = moves[..., 0], moves[..., 1]
        ahead = (values[..., 0] - centre) / to
        behind = (centre - values[..., 1]) / fro
        tilt = (to - fro) / (to + fro)
        middle = (values[..., 0] - values[..., 1]) / (to + fro)
        middle = np.where(tilt == 0, middle, middle - tilt * (ahead - behind))
        shares = (1 - tilt) / (2 * to), (1 + tilt) / (2 * fro)
        carried = noises * (sum(shares) + np.abs(shares[0] - shares[1]))
        unsure = 2 * noises * (1 / to + 1 / fro)
        gap = gap_at_zero(ahead - behind, unsure, to * fro, np.sqrt(to * fro))
        scale = size[..., 0, 0]
        rises = np.abs(values - centre[..., None]) - 2 * SURE * noises[..., None]
        slopes = rises / moves
        around = np.where(np.isfinite(slopes), slopes, 0).max(axis=(-2, -1))
        return Slopes(
            best_entry(middle, to * fro, carried, np.sqrt(to * fro), scale, gap),
            best_entry(ahead, to, 2 * noises / to, to, scale),
            best_entry(behind, fro, 2 * noises / fro, fro, scale),
            noises,
            np.maximum(around / scale, 0),
        )
