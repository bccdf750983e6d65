"""The verdict on each leaf's gradient, from all witnesses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jaxdebug.gradients.evidence import Evidence, Moves
from jaxdebug.gradients.verdict import Estimate, estimate, on_kink
from jaxdebug.reports import Verdict

RUNGS = (1e-5, 1e-6)
"""Steps of the differences, relative to each leaf's scale, largest first."""

COARSE = 0.3
"""A step that changes a leaf for good: whether the function depends on it at all."""

COORDINATE = 1e-7
"""Relative gap of a coordinate up to which two gradients agree in float64."""

ROUNDING = 1e-13
"""Of the whole gradient, each leaf in its scale: below it a gap is rounding."""

AGREEMENT = 1e-6
"""Relative to the leaf's typical slope: what differences tell apart at best."""

RESOLUTION = 1e-3
"""A bar wider than this part of the leaf's typical slope decides nothing."""

NEGLIGIBLE = 1e-8
"""A slope below this part of the whole gradient's is zero but for rounding."""

MARGIN = 10.0
"""A gap between one and this many bars decides nothing."""

SOLVED = 1e-2
"""Behind a loop that stops at a tolerance, value and gradient are approximations:
up to this part of the typical slope a gap may be the tolerance's."""

SETTLED = 1e-4
"""One-sided slopes closer than this, relative to the typical slope, are one."""


@dataclass(frozen=True)
class LeafCheck:
    """Whether one leaf's gradient is right.

    Attributes:
        path: of the leaf, in the user's spelling.
        shape: of the leaf.
        dtype: of the leaf.
        verdict: pass, fail or inconclusive.
        reason: `agrees`, `kink`, `expected`, `negligible`, `no-effect`, `flat`,
            `empty`, `disagrees`, `lost-gradient`, `not-finite`,
            `differentiable-here`, `not-converged`, `too-noisy`, `contradictory`.
        witness: which one decided: `coordinates` (against the gradient without
            custom rules), `differences` or `values`.
        error: relative gap of the worst coordinate.
        index: of that coordinate; empty for scalars.
        found: the gradient there.
        expected: without custom rules.
        slope: by the gradient, along the leaf's direction.
        difference: by finite differences.
        bar: bound on the error of `difference`.
        size: slope that the direction has typically.
        precision: relative error of the gradient in the working precision.
        causes: the rules that make it wrong.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    verdict: Verdict
    reason: str
    witness: str
    error: float
    index: tuple[int, ...]
    found: float
    expected: float
    slope: float
    difference: float
    bar: float
    size: float
    precision: float
    causes: tuple[str, ...] = ()


class Leaf(NamedTuple):
    """A leaf that is differentiated by."""

    path: str
    shape: tuple[int, ...]
    dtype: str
    wrong: tuple[str, ...]
    """Rules it goes through that are wrong."""
    meant: bool
    """Whether it goes through a rule that is meant to differ."""
    cut: bool
    """Whether a stop_gradient lies on its way."""
    iterates: bool
    """Whether it goes through a loop that stops at a tolerance."""


def plan_moves(leaves: int, directions: int, alone: bool) -> Moves:
    """Evaluations: all leaves along each direction, then each leaf by itself."""
    rows = [
        (which, -1, sign * step)
        for which in range(directions)
        for step in RUNGS
        for sign in (1.0, -1.0)
    ]
    if alone:
        rows += [
            (0, leaf, sign * step)
            for leaf in range(leaves)
            for step in (COARSE, *RUNGS)
            for sign in (1.0, -1.0)
        ]
    columns = list(zip(*rows, strict=True))
    return Moves(
        np.array(columns[0], np.int32),
        np.array(columns[1], np.int32),
        np.array(columns[2], np.float64),
    )


def judge_leaves(
    leaves: Sequence[Leaf], evidence: Evidence, directions: int, alone: bool
) -> tuple[LeafCheck, ...]:
    """Judge every leaf.

    Args:
        leaves: what is known of each.
        evidence: on the host; of the given point and of one near it.
        directions: how many directions all leaves moved along.
        alone: whether each leaf moved by itself, too.
    """
    whole = float(np.sqrt(np.nansum(evidence.size[1] ** 2)))
    checks = []
    for index, leaf in enumerate(leaves):
        points = [
            _at_point(evidence, point, index, directions, alone) for point in (0, 1)
        ]
        checks.append(_judge(leaf, points, whole, float(evidence.precision[index])))
    return tuple(checks)


class _Point(NamedTuple):
    """What is known of one leaf at one point."""

    value: float
    gap: float
    index: int
    found: float
    expected: float
    rounding: float
    """The largest gap, times the leaf's scale."""
    broken: bool
    size: float
    slope: float
    estimate: Estimate | None
    settled: float | None
    """The slope, where both one-sided ones are the same."""
    kinked: bool
    reacts: bool


def _at_point(
    evidence: Evidence, point: int, leaf: int, directions: int, alone: bool
) -> _Point:
    def coordinate(name: str) -> float:
        return float(getattr(evidence.coordinates, name)[point, leaf])

    value = float(evidence.value[point])
    slope = float(evidence.slopes[point, 0, leaf])
    found, settled, kinked, reacts = None, None, False, True
    if alone:
        steps = len(RUNGS) + 1
        start = directions * 2 * len(RUNGS) + leaf * 2 * steps
        losses = evidence.moved[point, start : start + 2 * steps].reshape(steps, 2)
        found = estimate(losses[1:], value, RUNGS)
        kinked = on_kink(losses[1:], value, RUNGS)
        settled = _settled(losses[1:], value)
        with np.errstate(invalid="ignore"):
            reacts = bool(np.any(np.abs(losses[0] - value) > 1e-12 * abs(value)))
    return _Point(
        value,
        coordinate("gap"),
        int(coordinate("worst")),
        coordinate("found"),
        coordinate("expected"),
        coordinate("absolute") * float(evidence.scales[leaf]),
        coordinate("broken") > 0 or not np.isfinite(slope),
        max(float(evidence.size[point, leaf]), abs(slope)),
        slope,
        found,
        settled,
        kinked,
        reacts,
    )


def _settled(losses: np.ndarray, value: float) -> float | None:
    """The slope if one-sided slopes agree with each other and do not move."""
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.asarray(RUNGS)
        ahead, behind = (losses[:, 0] - value) / steps, (value - losses[:, 1]) / steps
        every = np.concatenate([ahead, behind])
        noise = 8 * np.finfo(np.float64).eps * abs(value) / steps[-1]
        spread = float(np.ptp(every))
    middle = float(np.mean(every))
    near = spread <= SETTLED * abs(middle) and noise <= SETTLED * abs(middle)
    return middle if near and np.isfinite(middle) else None


def _judge(
    leaf: Leaf, points: list[_Point], whole: float, precision: float
) -> LeafCheck:
    at, near = points
    verdict, reason, witness = _decide(leaf, at, near, whole, precision)
    shown = at if reason in ("kink", "unlawful-at-kink") and near.gap == 0 else near
    guess = near.estimate or Estimate(float("nan"), float("inf"), RUNGS[-1])
    index = np.unravel_index(shown.index, leaf.shape) if shown.gap else ()
    return LeafCheck(
        leaf.path,
        leaf.shape,
        leaf.dtype,
        verdict,
        reason,
        witness,
        shown.gap if shown.rounding > ROUNDING * whole else 0.0,
        tuple(map(int, index)),
        shown.found,
        shown.expected,
        near.slope,
        guess.slope,
        guess.bar,
        near.size,
        precision,
        leaf.wrong if verdict is Verdict.FAIL else (),
    )


def _decide(
    leaf: Leaf, at: _Point, near: _Point, whole: float, precision: float
) -> tuple[Verdict, str, str]:
    if 0 in leaf.shape:
        return Verdict.PASS, "empty", "values"
    if at.broken or near.broken or not np.isfinite(precision):
        return Verdict.FAIL, "not-finite", "values"
    gaps = [
        point.gap > COORDINATE and point.rounding > ROUNDING * whole
        for point in (at, near)
    ]
    if leaf.wrong and any(gaps):
        return Verdict.FAIL, "disagrees", "coordinates"
    if leaf.meant:
        return (
            (Verdict.INCONCLUSIVE, "contradictory", "coordinates")
            if gaps[1]
            else (Verdict.PASS, "expected", "coordinates")
        )
    if near.estimate is None:
        return _by_coordinates(gaps, at, near)
    verdict, reason = _by_differences(near, whole, leaf)
    if verdict is Verdict.PASS:
        differs = at.settled is not None and abs(
            at.slope - at.settled
        ) > 10 * SETTLED * max(at.size, abs(at.settled))
        if differs:
            return Verdict.FAIL, "differentiable-here", "differences"
        if reason == "agrees" and (gaps[0] or gaps[1] or at.kinked):
            reason = "kink"
    return verdict, reason, "differences"


def _by_coordinates(
    gaps: Sequence[bool], at: _Point, near: _Point
) -> tuple[Verdict, str, str]:
    """Where no leaf moved alone: the gradient without custom rules decides."""
    if gaps[1]:
        return Verdict.INCONCLUSIVE, "contradictory", "coordinates"
    return Verdict.PASS, "kink" if gaps[0] else "agrees", "coordinates"


def _by_differences(near: _Point, whole: float, leaf: Leaf) -> tuple[Verdict, str]:
    guess, slope, size = near.estimate, near.slope, near.size
    assert guess is not None
    size = max(size, abs(guess.slope) if np.isfinite(guess.slope) else 0.0)
    if not np.isfinite(guess.bar):
        return Verdict.INCONCLUSIVE, "not-converged"
    gap = abs(slope - guess.slope)
    agrees = gap <= guess.bar + AGREEMENT * size
    if near.size == 0.0:
        if abs(guess.slope) <= guess.bar:
            return Verdict.PASS, "flat" if near.reacts else "no-effect"
        converged = guess.bar <= RESOLUTION * abs(guess.slope)
        if not converged:
            return Verdict.INCONCLUSIVE, "too-noisy"
        return Verdict.FAIL, "lost-gradient"
    if agrees and abs(slope) + guess.bar <= NEGLIGIBLE * whole:
        return Verdict.PASS, "negligible"
    if guess.bar > RESOLUTION * size:
        return Verdict.INCONCLUSIVE, "too-noisy"
    if agrees:
        return Verdict.PASS, "agrees"
    if gap <= MARGIN * guess.bar:
        return Verdict.INCONCLUSIVE, "not-converged"
    if leaf.iterates and gap <= SOLVED * size:
        return Verdict.INCONCLUSIVE, "iterates"
    return Verdict.FAIL, "disagrees"
