"""Differences at several steps, extrapolated to a step of zero, with an error bar.

Neville's scheme at the steps that were taken. What the entries of the tableau
still differ by, plus the noise carried through the same combination, bounds the
error; an entry that finer steps contradict is widened by the contradiction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jaxdebug.gradients.noise import FLOAT64

ORDERS = 8
"""Columns of the tableau: beyond, noise grows faster than the order helps."""

SAFETY = 2.0
"""Factor on the change from entry to entry: covers an error that shrinks as slowly
as the root of the step."""

HIDDEN = 0.25
"""A slope known to this part of itself is not nothing."""


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


def best_entry(
    slopes: np.ndarray,
    nodes: np.ndarray,
    noise: np.ndarray,
    steps: np.ndarray,
    scale: np.ndarray,
    gaps: tuple[np.ndarray, np.ndarray] | None = None,
) -> Side:
    """The entry of the tableau with the smallest bar.

    Args:
        slopes: (..., rungs) at each step.
        nodes: what their error is a series in.
        noise: bound on the noise of each.
        steps: of each, relative to `scale`.
        scale: (...) the largest step.
        gaps: (..., columns, rungs) difference of the sides to add to each bar, and
            its noise.
    """
    rungs = slopes.shape[-1]
    entry, carried = slopes, noise
    entries, bars, noises = [], [], []
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
        noises.append(carried + 4 * FLOAT64 * np.abs(entry))
        bars.append(SAFETY * change + noises[-1])
    table, bar = np.stack(entries, -2), np.stack(bars, -2)
    contradiction = _contradiction(table, np.stack(noises, -2))
    if gaps is not None:
        bar = bar + gaps[0]
        contradiction = contradiction + _grown(*gaps)
    bar = np.where(np.isfinite(bar), bar, np.inf)
    table = np.where(np.isfinite(bar), table, 0.0)
    still = slopes == 0
    bar = np.where(still[..., None, :], bar + _hidden(table, bar, still), bar)
    bar = bar + contradiction
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


def _contradiction(table: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """How far each entry lies outside what finer steps of its column say.

    A feature narrower than a step leaves the entries above it steady and wrong. An
    entry from finer steps errs less, except for its noise.
    """
    known = np.isfinite(table) & np.isfinite(noise)
    low = np.where(known, table - noise, -np.inf)
    high = np.where(known, table + noise, np.inf)
    low = np.maximum.accumulate(low[..., ::-1], axis=-1)[..., ::-1]
    high = np.minimum.accumulate(high[..., ::-1], axis=-1)[..., ::-1]
    return np.where(known, np.maximum(np.maximum(low - table, table - high), 0), 0)


def gap_at_zero(
    gap: np.ndarray, noise: np.ndarray, nodes: np.ndarray, steps: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The difference of the two sides at a step of zero, and its noise.

    It is g + h * P(h**2) with a polynomial P if each side is smooth. Divided
    differences in h**2 of it by h remove P; those of 1 / h tell g's share.

    Args:
        gap: (..., rungs) difference of the one-sided slopes at each step.
        noise: bound on the noise of each.
        nodes: squares of the steps.
        steps: of each.

    Returns:
        (..., columns, rungs) each, as the entries of the tableau.
    """
    rungs = gap.shape[-1]
    part, unit, unsure = gap / steps, 1 / steps, noise / steps
    rows, noises = [part / unit], [unsure / unit]
    for column in range(1, min(ORDERS, rungs)):
        width = nodes - _down(nodes, column)
        part, unit = (part - _down(part)) / width, (unit - _down(unit)) / width
        unsure = (unsure + _down(unsure)) / np.abs(width)
        rows.append(part / unit)
        noises.append(unsure / np.abs(unit))
    return np.abs(np.stack(rows, -2)), np.stack(noises, -2)


def _grown(gap: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """How much larger finer entries of a column say the gap is, beyond their noise.

    Where the sides differ an entry may still vanish by chance.
    """
    sure = np.where(np.isfinite(gap) & np.isfinite(noise), gap - noise, 0.0)
    finer = np.maximum.accumulate(sure[..., ::-1], axis=-1)[..., ::-1]
    return np.where(np.isfinite(gap), np.maximum(finer - gap, 0.0), 0.0)


def _down(array: np.ndarray, by: int = 1) -> np.ndarray:
    """Each rung's value `by` rungs coarser; not a number where there is none."""
    shifted = np.full(array.shape, np.nan)
    shifted[..., by:] = array[..., :-by]
    return shifted
