"""Whether a claimed slope is lawful at a point.

At a kink there is no derivative, yet every framework must return something: any
value between the two one-sided slopes is lawful. At a cusp or a jump nothing is
known. Elsewhere the claim must lie within the bar of the slope that was measured.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxdebug.gradients.kinks import Kind, Known, Point
from jaxdebug.reports import Verdict

RESOLUTION = 1e-2
"""A bar wider than this part of the claimed slope does not confirm it."""

FLAT = 1e-3
"""A slope bounded by this part of the slopes around counts as known to be none."""

MARGIN, WIDE_MARGIN = 2.0, 10.0
"""A gap between one and this many bars decides nothing: the first if the bar is
within the resolution, the second if it is wider. Where slopes converge slowly there
are kinks at every scale, and some may be below the finest step."""


BEYOND, ROUGH = 10.0, 0.1
"""A slope that over the step which says otherwise would change the value so many times
as much as any step does is that of a function which bends far below that step, such as
a long recurrence that explodes. Where the finest values jump by this part of the
largest change, no step is fine enough to tell."""


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
        found = _judge_between(claim, point.forward, point.backward, scale, tolerance)
        if found.verdict is Verdict.FAIL and point.coarse:
            # Several kinks may lie within such steps, and the slope between them is
            # that of neither side.
            return Judgement(Verdict.INCONCLUSIVE, "not-converged")
        return found
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
    margin = _margin(known.bar, size)
    forgiven = tolerance * size
    if not np.isfinite(known.bar):
        return Judgement(Verdict.INCONCLUSIVE, "not-converged")
    if gap > known.bar + forgiven and _bends_below(claim, point):
        return Judgement(Verdict.INCONCLUSIVE, "not-converged")
    if gap > margin * known.bar + forgiven:
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


def _bends_below(claim: float, point: Point) -> bool:
    predicted = abs(claim) * point.step
    rough = point.noise > ROUGH * point.reach > 0
    return rough and predicted > BEYOND * point.reach


def _judge_between(
    claim: float, one: Known, other: Known, scale: float, tolerance: float
) -> Judgement:
    """Any value between two one-sided slopes is lawful."""
    low, high = sorted((one, other))
    size = max(abs(low.slope), abs(high.slope), scale)
    margin = _margin(max(low.bar, high.bar), size)
    forgiven = tolerance * size
    for bars, judgement in (
        (1.0, Judgement(Verdict.PASS, "kink")),
        (margin, Judgement(Verdict.INCONCLUSIVE, "not-converged")),
    ):
        floor = low.slope - bars * low.bar - forgiven
        ceiling = high.slope + bars * high.bar + forgiven
        if floor <= claim <= ceiling:
            return judgement
    return Judgement(Verdict.FAIL, "outside-kink")


def _margin(bar: float, size: float) -> float:
    return MARGIN if bar <= RESOLUTION * size else WIDE_MARGIN
