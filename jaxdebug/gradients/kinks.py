"""What kind of point it is, and whether a claimed slope is lawful there.

At a kink there is no derivative, yet every framework must return something: any
value between the two one-sided slopes is lawful. At a cusp or a jump nothing
is. A central difference tells none of these apart from a smooth point: that of
the absolute value at zero is zero at every step.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jaxdebug.gradients.ladder import Ladder, Slopes, slopes_on_ladder
from jaxdebug.gradients.tableau import Side
from jaxdebug.reports import Verdict

RESOLVED = 0.1
"""A bar wider than this part of the slopes around leaves the point undecided."""

RESOLUTION = 1e-2
"""A bar wider than this part of the claimed slope does not confirm it."""

FLAT = 1e-3
"""A slope bounded by this part of the slopes around counts as known to be none."""

MARGIN = 2.0
"""A gap between one and this many bars decides nothing."""

FINEST = 6
"""Rungs at the fine end that must show by which power of the step values change."""

FEWEST = 4
"""Rungs without which a power of the step cannot be told from noise."""

REGULAR = 0.1
"""Powers from rung to rung that differ by more, or by more than half of what they
are below one, are noise."""

JUMP_POWER, CUSP_POWER = 0.2, 0.97
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
    changes: bool
    """Whether any step changes the value."""
    edge: Known | None
    """Slope of the finite side at an edge; none if it grows without bound."""


@dataclass(frozen=True)
class Points:
    """What a ladder says of its point, for each direction.

    Attributes:
        kinds: (...) values of `Kind`.
        slopes: with their bars.
        finite: (..., 2) whether the forward and the backward side are.
        steep: (..., 2) whether their slope grows without bound.
        changes: (...) whether any step changes the value.
    """

    kinds: np.ndarray
    slopes: Slopes
    finite: np.ndarray
    steep: np.ndarray
    changes: np.ndarray

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
            bool(self.changes[index]),
            edge,
        )


def _known(side: Side, index: int | tuple[int, ...]) -> Known:
    return Known(float(side.slope[index]), float(side.bar[index]))


def points_on_ladder(ladder: Ladder, *, noise: float = 0.0) -> Points:
    """Tell what kind of point a ladder stands on.

    The power of the step by which values change at the finest steps is zero at a
    jump, below one at a cusp, and one or more where a side has a slope. A kink must
    show twice: its sides have different slopes within their bars, and their
    difference extrapolates to the same. A ladder of fewer than `FEWEST` rungs tells
    no jump and no cusp: they are undecided.

    Args:
        ladder: as from `as_ladder`.
        noise: of the values, if more is known than can be measured.
    """
    slopes = slopes_on_ladder(ladder, noise=noise)
    central, ahead, behind = slopes.central, slopes.forward, slopes.backward
    with np.errstate(all="ignore"):
        powers, finite = _powers(ladder)
        steepest = np.where(np.isnan(powers), np.inf, powers).min(axis=-1)
        gap = np.abs(ahead.slope - behind.slope)
        kinked = gap > MARGIN * (ahead.bar + behind.bar)
        kinked &= central.bar > RESOLVED * gap
        size = np.fmax(np.abs(central.slope), slopes.around)
        taken = np.isfinite(ladder.moves)
        still = (ladder.values == ladder.centre[..., None, None]) | ~taken
        changes = ~still.all(axis=(-2, -1))
        # Where nothing changes there is no slope to compare the bar with.
        resolved = (central.bar <= RESOLVED * size) | ~changes
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
        return Points(kinds, slopes, finite, powers < CUSP_POWER, changes)


def _powers(ladder: Ladder) -> tuple[np.ndarray, np.ndarray]:
    """By which power of the step each side changes, and whether it is finite.

    Only where the power is below one; not a number elsewhere, and where the powers
    from rung to rung differ, as those of noise do.
    """
    # Steps that were rounded away are passed over: the finest that remain count.
    taken = np.isfinite(ladder.moves)
    rungs = taken.shape[-2]
    place = np.where(taken, np.arange(rungs)[:, None], -1)
    finest = np.sort(place, axis=-2)[..., -min(FINEST, rungs) :, :]

    def there(array: np.ndarray) -> np.ndarray:
        chosen = np.take_along_axis(array, np.maximum(finest, 0), axis=-2)
        return np.where(finest >= 0, chosen, np.nan)

    values = there(ladder.values)
    change = np.log(np.abs(values - ladder.centre[..., None, None]))
    width = np.log(there(ladder.moves))
    powers = np.diff(change, axis=-2) / np.diff(width, axis=-2)
    power = powers.mean(axis=-2)
    regular = np.ptp(powers, axis=-2) <= np.minimum(REGULAR, (1 - power) / 2)
    # A side on which no step could be taken is not known to end there.
    finite = np.isfinite(values[..., -1, :]) | (finest[..., -1, :] < 0)
    if rungs < FEWEST:
        regular = np.zeros_like(regular)
    return np.where(regular, power, np.nan), finite


class Judgement(NamedTuple):
    """Whether a claimed slope is right.

    Attributes:
        verdict: pass, fail or inconclusive.
        reason: `agrees`, `flat`, `kink`, `edge`; `disagrees`, `lost-gradient`,
            `outside-kink`, `not-finite`; `not-differentiable`, `not-converged`,
            `too-noisy` or `no-effect`.
    """

    verdict: Verdict
    reason: str


def judge(
    claim: float, point: Point, *, scale: float = 0.0, tolerance: float = 0.0
) -> Judgement:
    """Judge a claimed slope at a point.

    Args:
        claim: the slope that a gradient says the function has.
        point: as from `points_on_ladder(...).at(...)`.
        scale: slopes this large matter, if that is known from elsewhere: a claim is
            confirmed to `RESOLUTION` of it. Without it, of itself: a slope of zero
            is confirmed only where slopes around are larger than its bar, and
            never because nothing changed at all.
        tolerance: relative to the larger of slope and scale, forgiven beyond the bar.
    """
    if not np.isfinite(claim) or point.kind is Kind.INVALID:
        return Judgement(Verdict.FAIL, "not-finite")
    if point.kind in (Kind.CUSP, Kind.JUMP):
        return Judgement(Verdict.INCONCLUSIVE, "not-differentiable")
    if point.kind is Kind.KINK:
        return _judge_between(claim, point.forward, point.backward, scale, tolerance)
    if point.kind is Kind.EDGE:
        if point.edge is None:
            return Judgement(Verdict.INCONCLUSIVE, "not-differentiable")
        found = _judge_slope(claim, point.edge, point, scale, tolerance)
        return found._replace(reason="edge") if found.verdict is Verdict.PASS else found
    if point.kind is Kind.UNDECIDED and point.central.bar > RESOLUTION * scale:
        return Judgement(Verdict.INCONCLUSIVE, "too-noisy")
    return _judge_slope(claim, point.central, point, scale, tolerance)


def _judge_slope(
    claim: float, known: Known, point: Point, scale: float, tolerance: float
) -> Judgement:
    gap = abs(claim - known.slope)
    size = max(abs(known.slope), scale)
    forgiven = tolerance * size
    if not np.isfinite(known.bar):
        return Judgement(Verdict.INCONCLUSIVE, "not-converged")
    if gap > MARGIN * known.bar + forgiven:
        reason = "lost-gradient" if claim == 0 else "disagrees"
        return Judgement(Verdict.FAIL, reason)
    if gap > known.bar + forgiven:
        return Judgement(Verdict.INCONCLUSIVE, "not-converged")
    if known.bar <= RESOLUTION * max(size, abs(claim)):
        return Judgement(Verdict.PASS, "agrees")
    if known.bar <= FLAT * point.around:
        return Judgement(Verdict.PASS, "flat")
    reason = "too-noisy" if point.changes else "no-effect"
    return Judgement(Verdict.INCONCLUSIVE, reason)


def _judge_between(
    claim: float, one: Known, other: Known, scale: float, tolerance: float
) -> Judgement:
    """Any value between two one-sided slopes is lawful."""
    low, high = sorted((one, other))
    forgiven = tolerance * max(abs(low.slope), abs(high.slope), scale)
    for bars, judgement in (
        (1.0, Judgement(Verdict.PASS, "kink")),
        (MARGIN, Judgement(Verdict.INCONCLUSIVE, "not-converged")),
    ):
        floor = low.slope - bars * low.bar - forgiven
        ceiling = high.slope + bars * high.bar + forgiven
        if floor <= claim <= ceiling:
            return judgement
    return Judgement(Verdict.FAIL, "outside-kink")
