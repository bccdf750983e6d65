"""What kind of point a ladder of steps stands on: smooth, kink, cusp, jump or edge.

A central difference tells none of these apart: that of the absolute value at zero
is zero at every step. The two sides do, each with its own slope and bar.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jaxdebug.gradients.ladder import Ladder, Slopes, slopes_on_ladder
from jaxdebug.gradients.tableau import Side

APART = 2.0
"""Sides whose slopes differ by so many of their bars make a kink."""

RESOLVED = 0.1
"""A bar wider than this part of the slopes around leaves the point undecided."""

FINEST = 6
"""Rungs at the fine end that must show by which power of the step values change."""

CLEAR = 64.0
"""A change of fewer units in the last place shows no power."""

FEWEST = 4
"""Rungs without which a power of the step cannot be told from noise."""

REGULAR = 0.1
"""Powers from rung to rung that differ by more, or by more than half of what they
are below one, are noise."""

COARSE = 1e-2
"""Of the largest step; where no finer one is above the noise, the point itself is seen
from afar."""

JUMP_POWER, CUSP_POWER = 0.1, 0.97
"""Below these the function jumps, or is steeper than any slope."""


class Kind(enum.StrEnum):
    """What a function is like at a point, as far as the steps and noise tell.

    Attributes:
        SMOOTH: Both sides have one slope.
        KINK: Each side has a slope, and the two differ.
        CUSP: The slope of a side grows without bound.
        JUMP: The value of a side does not come near that at the point.
        EDGE: One side is not finite.
        INVALID: The value at the point, or on both sides, is not finite.
        UNDECIDED: Noise or slow convergence hides it.
    """

    SMOOTH = "smooth"
    KINK = "kink"
    CUSP = "cusp"
    JUMP = "jump"
    EDGE = "edge"
    INVALID = "invalid"
    UNDECIDED = "undecided"


class Known(NamedTuple):
    """A slope and the bound on its error."""

    slope: float
    bar: float


class Point(NamedTuple):
    """A point along one direction."""

    kind: Kind
    central: Known
    forward: Known
    backward: Known
    around: float
    """Size of slopes in the neighbourhood."""
    change: float
    """By how much the steps change the value at most."""
    edge: Known | None
    """Slope of the finite side at an edge; none if it grows without bound."""
    step: float = 0.0
    """The smallest that the central slope is taken from."""
    noise: float = 0.0
    """Bound on the jumps of the values at the finest steps."""
    reach: float = 0.0
    """Largest change of the value that is finite; 0 if that is rounding."""
    coarse: bool = False
    """Whether finer steps drown in rounding."""

    @property
    def changes(self) -> bool:
        """Whether any step changes the value."""
        return self.change > 0


@dataclass(frozen=True)
class Points:
    """What a ladder says of its point, for each direction.

    Attributes:
        kinds: (...) values of `Kind`.
        slopes: with their bars.
        finite: (..., 2) whether the forward and the backward side are.
        steep: (..., 2) whether their slope grows without bound.
        change: (...) by how much the steps change the value at most.
        reach: (...) the same of changes that are finite.
        coarse: (...) whether finer steps drown in rounding.
    """

    kinds: np.ndarray
    slopes: Slopes
    finite: np.ndarray
    steep: np.ndarray
    change: np.ndarray
    reach: np.ndarray
    coarse: np.ndarray

    def at(self, index: int | tuple[int, ...] = ()) -> Point:
        """One direction."""
        sides = self.slopes.forward, self.slopes.backward
        ahead, behind = (_known(side, index) for side in sides)
        edge = None
        for side, finite, steep in zip(
            (ahead, behind), self.finite[index], self.steep[index], strict=True
        ):
            if finite and not steep:
                edge = side
        return Point(
            Kind(str(self.kinds[index])),
            _known(self.slopes.central, index),
            ahead,
            behind,
            float(self.slopes.around[index]),
            float(self.change[index]),
            edge,
            float(self.slopes.central.step[index]),
            float(self.slopes.noise[index][-1]),
            float(self.reach[index]),
            bool(self.coarse[index]),
        )


def _known(side: Side, index: int | tuple[int, ...]) -> Known:
    return Known(float(side.slope[index]), float(side.bar[index]))


def points_on_ladder(ladder: Ladder, *, noise: float | np.ndarray = 0.0) -> Points:
    """Tell what kind of point a ladder stands on.

    The power of the step by which values change at the finest steps is zero at a
    jump, below one at a cusp, and one or more where a side has a slope. A kink must
    show twice: its sides have different slopes within their bars, and their
    difference extrapolates to the same. A ladder of fewer than `FEWEST` rungs tells
    no jump and no cusp: they are undecided.

    Args:
        ladder: as from `as_ladder`.
        noise: (...) of the values, if more is known than can be measured.
    """
    slopes = slopes_on_ladder(ladder, noise=noise)
    central, ahead, behind = slopes.central, slopes.forward, slopes.backward
    with np.errstate(all="ignore"):
        powers, finite = _powers(ladder)
        steepest = np.where(np.isnan(powers), np.inf, powers).min(axis=-1)
        gap = np.abs(ahead.slope - behind.slope)
        kinked = gap > APART * (ahead.bar + behind.bar)
        kinked &= central.bar > RESOLVED * gap
        size = np.fmax(np.abs(central.slope), slopes.around)
        taken = np.isfinite(ladder.moves)
        moved = np.abs(ladder.values - ladder.centre[..., None, None])
        moved = np.where(np.isnan(moved), np.inf, moved)
        change = np.where(taken, moved, 0).max(axis=(-2, -1))
        reach = np.where(taken & np.isfinite(moved), moved, 0).max(axis=(-2, -1))
        floor = CLEAR * ladder.eps * np.abs(ladder.centre)
        reach = np.where(reach > floor, reach, 0)
        # Where nothing changes there is no slope to compare the bar with.
        resolved = (central.bar <= RESOLVED * size) | (change == 0)
        resolved &= np.isfinite(central.bar)
        # The first that holds.
        tests = (
            (Kind.INVALID, ~np.isfinite(ladder.centre) | ~finite.any(axis=-1)),
            (Kind.EDGE, ~finite.all(axis=-1)),
            (Kind.JUMP, steepest < JUMP_POWER),
            (Kind.CUSP, steepest < CUSP_POWER),
            (Kind.KINK, kinked),
            (Kind.SMOOTH, resolved),
        )
        kinds = np.select(
            [holds for _, holds in tests],
            [np.full(gap.shape, kind.value) for kind, _ in tests],
            Kind.UNDECIDED.value,
        )
        is_clear = taken & (moved > floor[..., None, None])
        clear = np.where(is_clear, ladder.moves, np.inf)
        finest = clear.min(axis=(-2, -1))
        largest = np.nan_to_num(ladder.moves).max(axis=(-2, -1))
        coarse = finest > COARSE * largest
        steep = powers < CUSP_POWER
        return Points(kinds, slopes, finite, steep, change, reach, coarse)


def _powers(ladder: Ladder) -> tuple[np.ndarray, np.ndarray]:
    """By which power of the step each side changes, and whether it is finite.

    Only where the power is below one; not a number elsewhere, and where the powers
    from rung to rung differ, as those of noise do.
    """
    rungs = ladder.moves.shape[-2]
    # Steps that were rounded away, or whose change is, are passed over.
    taken = np.isfinite(ladder.moves)
    # A side on which no step could be taken is not known to end there.
    last = _last(taken)
    end = np.take_along_axis(ladder.values, np.maximum(last, 0)[..., None, :], -2)
    finite = np.isfinite(end[..., 0, :]) | (last < 0)
    if rungs < FEWEST:
        return np.full(finite.shape, np.nan), finite
    change = np.abs(ladder.values - ladder.centre[..., None, None])
    floor = CLEAR * ladder.eps * np.abs(ladder.centre[..., None])
    clear = taken & (change > floor[..., None])
    place = np.where(clear, np.arange(rungs)[:, None], -1)
    finest = np.sort(place, axis=-2)[..., -min(FINEST, rungs) :, :]

    def there(array: np.ndarray) -> np.ndarray:
        chosen = np.take_along_axis(array, np.maximum(finest, 0), axis=-2)
        return np.where(finest >= 0, chosen, np.nan)

    changes = there(change)
    powers = np.diff(np.log(changes), axis=-2)
    powers /= np.diff(np.log(there(ladder.moves)), axis=-2)
    power = powers.mean(axis=-2)
    regular = np.ptp(powers, axis=-2) <= np.minimum(REGULAR, (1 - power) / 2)
    # What is large there and gone one step finer is not at the point but near it.
    regular &= (finest[..., -1, :] == last) | (changes[..., -1, :] < 8 * floor)
    return np.where(regular, power, np.nan), finite


def _last(taken: np.ndarray) -> np.ndarray:
    """Place of the finest rung that was taken, on each side; -1 if none."""
    return np.where(taken, np.arange(taken.shape[-2])[:, None], -1).max(axis=-2)
