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

from jaxdebug.gradients.noise import rung_noise

LARGEST, SMALLEST, RUNGS = 0.25, 1e-9, 24
"""The long ladder, relative to the scale of what moves. Its ratio is not a whole
number, so that no period of the function divides all steps."""

ORDERS = 8
"""Columns of the tableau: beyond, noise grows faster than the order helps."""

SAFETY = 2.0
"""Factor on the change from entry to entry: covers an error that shrinks as slowly
as the root of the step."""

HIDDEN = 0.25
"""A slope known to this part of itself is not nothing."""

FLOAT64 = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Side:
    """A slope with a bound on its error, for each direction.

    Attributes:
        slope: the best of the tableau; not a number if there is none.
        bar: bound on its error; infinite if there is none.
        step: the smallest step it was taken from.
        order: columns of extrapolation behind it.
    """

    slope: np.ndarray
    bar: np.ndarray
    step: np.ndarray
    order: np.ndarray


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


def slopes_on_ladder(ladder: Ladder, *, noise: float = 0.0) -> Slopes:
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
        noise: of the values, if more is known than can be measured.

    Limits:
        A feature narrower than every step, and rounding inside the function that
        hides every change of it, cannot be seen.
    """
    with np.errstate(all="ignore"):
        size = np.nanmax(ladder.moves, axis=(-2, -1), keepdims=True, initial=0.0)
        moves = ladder.moves / size
        values, centre = ladder.values, ladder.centre[..., None]
        noises = np.maximum(rung_noise(values, ladder.centre, moves, ladder.eps), noise)
        to, fro = moves[..., 0], moves[..., 1]
        ahead = (values[..., 0] - centre) / to
        behind = (centre - values[..., 1]) / fro
        tilt = (to - fro) / (to + fro)
        middle = (values[..., 0] - values[..., 1]) / (to + fro)
        middle = np.where(tilt == 0, middle, middle - tilt * (ahead - behind))
        shares = (1 - tilt) / (2 * to), (1 + tilt) / (2 * fro)
        carried = noises * (sum(shares) + np.abs(shares[0] - shares[1]))
        gap = np.abs(_gaps(ahead - behind, to * fro, np.sqrt(to * fro)))
        scale = size[..., 0, 0]
        rises = np.abs(values - centre[..., None]) - 2 * noises[..., None]
        around = np.nanmax(
            np.where(np.isfinite(rises), rises / moves, 0), axis=(-2, -1)
        )
        return Slopes(
            _best(middle, to * fro, carried, np.sqrt(to * fro), scale, gap),
            _best(ahead, to, 2 * noises / to, to, scale),
            _best(behind, fro, 2 * noises / fro, fro, scale),
            noises,
            np.maximum(around, 0) / scale,
        )


def _best(
    slopes: np.ndarray,
    nodes: np.ndarray,
    noise: np.ndarray,
    steps: np.ndarray,
    scale: np.ndarray,
    gaps: np.ndarray | None = None,
) -> Side:
    """The entry of the tableau with the smallest bar.

    Args:
        slopes: (..., rungs) at each step.
        nodes: what their error is a series in.
        noise: bound on the noise of each.
        steps: of each, relative to `scale`.
        scale: (...) the largest step.
        gaps: (..., columns, rungs) more to add to each bar.
    """
    rungs = slopes.shape[-1]
    entry, carried = slopes, noise
    entries, bars = [], []
    for column in range(min(ORDERS, rungs)):
        before = _down(entry)
        change = np.abs(entry - before)
        if column:
            weight = nodes / (_down(nodes, column) - nodes)
            new = entry + (entry - before) * weight
            carried = (1 + weight) * carried + weight * _down(carried)
            same = np.abs(new - _down(new))
            # The first entry of a column has none before it in its own column.
            same[..., column] = np.abs(new - before)[..., column]
            change = np.maximum(np.abs(new - entry), same)
            entry = new
        entries.append(entry)
        bars.append(SAFETY * change + carried + 4 * FLOAT64 * np.abs(entry))
    table, bar = np.stack(entries, -2), np.stack(bars, -2)
    if gaps is not None:
        bar = bar + gaps
    bar = np.where(np.isfinite(bar), bar, np.inf)
    table = np.where(np.isfinite(bar), table, 0.0)
    still = slopes == 0
    bar = np.where(still[..., None, :], bar + _hidden(table, bar, still), bar)
    bar = bar + _contradiction(table, slopes, noise)
    slope, width, order, step = _smallest(bar, table, steps)
    return Side(slope / scale, width / scale, step * scale, order)


def _smallest(
    bar: np.ndarray, table: np.ndarray, steps: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Entry, bar, column and step where the bar is smallest."""
    flat = bar.reshape(*bar.shape[:-2], -1)
    at = flat.argmin(axis=-1)[..., None]
    wide = np.broadcast_to(steps[..., None, :], bar.shape)
    slope, width, step = (
        np.take_along_axis(array.reshape(flat.shape), at, -1)[..., 0]
        for array in (table, bar, wide)
    )
    slope = np.where(np.isfinite(width), slope, np.nan)
    return slope, width, at[..., 0] // bar.shape[-1], step


def _hidden(table: np.ndarray, bar: np.ndarray, still: np.ndarray) -> np.ndarray:
    """What a slope of steps that change nothing may miss.

    Rounding inside the function hides small changes of it altogether. If steps
    that do change it agree on a slope, the two say different things.
    """
    moving = np.where(still[..., None, :], np.inf, bar)
    slope, width, *_ = _smallest(moving, table, np.zeros(still.shape))
    missed = np.abs(slope) + width
    known = width <= HIDDEN * np.abs(slope)
    return np.where(known, missed, 0.0)[..., None, None]


def _contradiction(
    table: np.ndarray, slopes: np.ndarray, noise: np.ndarray
) -> np.ndarray:
    """How far each entry lies outside what finer steps say.

    A feature narrower than a step leaves the entries above it steady and wrong.
    At a finer step the plain difference is known to its last change and its
    noise; an entry must lie in all these intervals.
    """
    width = SAFETY * np.abs(slopes - _down(slopes)) + noise
    low = np.where(np.isfinite(width), slopes - width, -np.inf)
    high = np.where(np.isfinite(width), slopes + width, np.inf)
    low = np.maximum.accumulate(low[..., ::-1], axis=-1)[..., None, ::-1]
    high = np.minimum.accumulate(high[..., ::-1], axis=-1)[..., None, ::-1]
    return np.maximum(np.maximum(low - table, table - high), 0.0)


def _gaps(gap: np.ndarray, nodes: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """What is left of the difference of the two sides at a step of zero.

    It is g + h * P(h**2) with a polynomial P if each side is smooth. Divided
    differences in h**2 of it by h remove P; those of 1 / h tell g's share.
    """
    rungs = gap.shape[-1]
    part, unit = gap / steps, 1 / steps
    rows = [part / unit]
    for column in range(1, min(ORDERS, rungs)):
        width = nodes - _down(nodes, column)
        part, unit = (part - _down(part)) / width, (unit - _down(unit)) / width
        rows.append(part / unit)
    return np.stack(rows, -2)


def _down(array: np.ndarray, by: int = 1) -> np.ndarray:
    """Each rung's value `by` rungs coarser; not a number where there is none."""
    shifted = np.full(array.shape, np.nan)
    shifted[..., by:] = array[..., :-by]
    return shifted
