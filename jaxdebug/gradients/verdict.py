"""From measured slopes to a verdict on each leaf.

A central difference at step h errs by truncation, of order h**2, and by
round-off, of order noise / h. Both are measured: truncation by comparing two
neighbouring steps, noise by the second difference at the smallest step. The
bar is their sum with a safety factor. A gradient inside the bar agrees; one
outside, where the differences converge, does not.

The decision is taken near the point, not at it: there a network is smooth with
probability one, while at initialisation it often sits on kinks, across which a
difference says nothing about the derivative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from jaxdebug.gradients.differences import STEPS
from jaxdebug.reports import Verdict

SAFETY = 4.0
"""Factor on the measured error of a difference."""

AGREEMENT = 1e-5
"""Relative to the leaf's typical slope: what a pass promises at best. Solvers that
iterate to a tolerance of float32, and their implicit derivatives, reach no more."""

RESOLUTION = 1e-2
"""A bar wider than this part of the leaf's typical slope decides nothing."""

NEGLIGIBLE = 1e-6
"""A slope known to be below this part of all leaves' slopes has no weight: that
of a bias in front of a softmax or a normalisation is zero but for rounding."""

SOLVED = 1e-2
"""Behind a loop that stops at a tolerance, value and gradient are approximations:
up to this part of the typical slope a gap may be the tolerance's."""

MARGIN = 10.0
"""A gap between one and this many bars decides nothing."""

ATTEMPTS = 3
"""Times an undecided or failing leaf is looked at, each near another point."""


@dataclass(frozen=True)
class Estimate:
    """A slope by differences with its error bar."""

    slope: float
    bar: float
    step: float


@dataclass(frozen=True)
class LeafVerdict:
    """Whether a leaf's gradient agrees with finite differences.

    Attributes:
        path: the leaf, in the user's spelling.
        verdict: pass, fail or inconclusive.
        reason: `agrees`, `kink`, `no-effect`, `flat`, `iterates`, `negligible`,
            `disagrees`,
            `lost-gradient`, `not-finite`, `not-converged`, `too-noisy` or
            `contradictory`.
        slope: by the gradient, along the leaf's direction, near the point.
        difference: by finite differences, there.
        bar: bound on the error of `difference`.
        size: slope that the direction has typically; what errors are relative to.
        at_point: whether gradient and differences agree at the point itself.
        precision: relative error of the native gradient against float64; not
            finite if that gradient is not.
    """

    path: str
    verdict: Verdict
    reason: str
    slope: float
    difference: float
    bar: float
    size: float
    at_point: bool
    precision: float

    @property
    def error(self) -> float:
        """Disagreement relative to the typical slope."""
        gap = abs(self.slope - self.difference)
        return gap / self.size if self.size > 0 else gap


def judge_leaves(
    paths: Sequence[str],
    loss: np.ndarray,
    slopes: np.ndarray,
    sizes: np.ndarray,
    losses: np.ndarray,
    precision: np.ndarray,
    iterates: Sequence[bool],
) -> tuple[LeafVerdict, ...]:
    """Judge every leaf.

    Args:
        paths: name of each leaf.
        loss: (points,) at the point and near it.
        slopes: (points, leaves) by the gradient.
        sizes: (points, leaves) typical slopes.
        losses: (points, leaves, 1 + steps, 2) forward and backward, after the
            coarse step and those of the ladder.
        precision: (leaves,) relative error of the native gradient; not finite
            where that gradient is not.
        iterates: (leaves,) whether the leaf goes through a loop of open length.
    """
    whole = float(np.sqrt(np.nansum(sizes[1] ** 2)))
    return tuple(
        _judge(
            path,
            [estimate(losses[p, leaf, 1:], float(loss[p])) for p in (0, 1)],
            on_kink(losses[0, leaf, 1:], float(loss[0])),
            slopes[:, leaf],
            sizes[:, leaf],
            float(precision[leaf]),
            _Context(whole, bool(iterates[leaf]), _reacts(losses[1, leaf, 0], loss[1])),
        )
        for leaf, path in enumerate(paths)
    )


class _Context(NamedTuple):
    """What else decides about a leaf."""

    whole: float
    """Typical slope of all leaves together."""
    iterates: bool
    reacts: bool
    """Whether the loss changes when the leaf changes much."""


def _reacts(losses: np.ndarray, loss: float) -> bool:
    with np.errstate(invalid="ignore"):
        return bool(np.any(np.abs(losses - loss) > 1e-12 * abs(loss)))


def estimate(
    losses: np.ndarray, loss: float, steps: Sequence[float] = STEPS
) -> Estimate:
    """The best difference of a ladder, with its error bar.

    Args:
        losses: (steps, 2) forward and backward.
        loss: at the point.
        steps: the ladder, largest first.
    """
    steps_ = np.asarray(steps)
    with np.errstate(invalid="ignore", over="ignore"):
        slopes = (losses[:, 0] - losses[:, 1]) / (2 * steps_)
        second = np.abs(losses[:, 0] + losses[:, 1] - 2 * loss)
        values = np.abs(np.append(losses, loss))
        magnitude = float(np.max(values, where=np.isfinite(values), initial=0.0))
        noise = max(float(second[-1]), 2 * np.finfo(np.float64).eps * magnitude)
        gaps = np.abs(np.diff(slopes))
        bars = SAFETY * (gaps + noise / steps_[1:])
    if not np.isfinite(bars).any():
        return Estimate(float("nan"), float("inf"), float(steps_[-1]))
    best = int(np.nanargmin(np.where(np.isfinite(bars), bars, np.inf)))
    return Estimate(float(slopes[best + 1]), float(bars[best]), float(steps_[best + 1]))


def on_kink(losses: np.ndarray, loss: float, steps: Sequence[float] = STEPS) -> bool:
    """Whether the second difference shrinks like the step, not like its square.

    Args:
        losses: (steps, 2) forward and backward.
        loss: at the point.
        steps: the ladder, largest first.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        second = np.abs(losses[:, 0] + losses[:, 1] - 2 * loss)
        floor = 16 * np.finfo(np.float64).eps * abs(loss)
        expected = (steps[0] / steps[-1]) ** 1.5
        return bool(second[-1] > floor and second[0] < expected * second[-1])


def _judge(
    path: str,
    estimates: list[Estimate],
    kinked: bool,
    slopes: np.ndarray,
    sizes: np.ndarray,
    precision: float,
    context: _Context,
) -> LeafVerdict:
    at, near = estimates
    slope, size = float(slopes[1]), float(max(sizes[1], abs(near.slope)))
    at_size = float(max(sizes[0], abs(at.slope)))
    at_point = not kinked and _agrees(at, float(slopes[0]), at_size)
    verdict, reason = _decide(near, slope, size, float(sizes[1]), context, at_point)
    # The native gradient can overflow where float64 does not: the precision tells.
    if not np.isfinite(slopes).all() or not np.isfinite(precision):
        verdict, reason = Verdict.FAIL, "not-finite"
    return LeafVerdict(
        path,
        verdict,
        reason,
        slope,
        near.slope,
        near.bar,
        size,
        at_point,
        precision,
    )


def _agrees(estimate: Estimate, slope: float, size: float) -> bool:
    return abs(slope - estimate.slope) <= estimate.bar + AGREEMENT * size


def _decide(
    near: Estimate,
    slope: float,
    size: float,
    gradient_size: float,
    context: _Context,
    at_point: bool,
) -> tuple[Verdict, str]:
    if not np.isfinite(near.bar):
        return Verdict.INCONCLUSIVE, "not-converged"
    if gradient_size == 0.0:
        if abs(near.slope) <= near.bar:
            return Verdict.PASS, "flat" if context.reacts else "no-effect"
        converged = near.bar <= RESOLUTION * abs(near.slope)
        return (
            (Verdict.FAIL, "lost-gradient")
            if converged
            else (Verdict.INCONCLUSIVE, "too-noisy")
        )
    agrees = _agrees(near, slope, size)
    if near.bar > RESOLUTION * size:
        if agrees and abs(slope) + near.bar <= NEGLIGIBLE * context.whole:
            return Verdict.PASS, "negligible"
        return Verdict.INCONCLUSIVE, "too-noisy"
    if agrees:
        return Verdict.PASS, "agrees" if at_point else "kink"
    if abs(slope - near.slope) <= MARGIN * near.bar:
        return Verdict.INCONCLUSIVE, "not-converged"
    if context.iterates and abs(slope - near.slope) <= SOLVED * size:
        return Verdict.INCONCLUSIVE, "iterates"
    return Verdict.FAIL, "disagrees"


def needs_another_look(attempts: Sequence[Sequence[LeafVerdict]]) -> bool:
    """Whether some leaf is undecided, or fails and has not been looked at again."""
    if len(attempts) == 1:
        return not all(map(_is_settled, attempts[0]))
    settled = settle(attempts)
    undecided = any(leaf.verdict is Verdict.INCONCLUSIVE for leaf in settled)
    return undecided and len(attempts) < ATTEMPTS


def _is_settled(leaf: LeafVerdict) -> bool:
    return leaf.verdict is Verdict.PASS or leaf.reason == "not-finite"


def settle(attempts: Sequence[Sequence[LeafVerdict]]) -> tuple[LeafVerdict, ...]:
    """One verdict for each leaf from several looks near different points.

    A kink between the evaluations of one look can make a right gradient seem
    wrong. So a leaf fails only if it fails near two points and passes near
    none; looks that contradict each other leave it undecided.
    """
    return tuple(map(_settle, zip(*attempts, strict=True)))


def _settle(looks: Sequence[LeafVerdict]) -> LeafVerdict:
    passed = [look for look in looks if look.verdict is Verdict.PASS]
    failed = [look for look in looks if look.verdict is Verdict.FAIL]
    for look in failed:
        # No kink makes a gradient infinite: one such look is enough.
        if look.reason == "not-finite":
            return look
    if passed and not failed:
        return passed[0]
    if len(failed) >= 2 and not passed:
        return min(failed, key=lambda look: look.bar)
    last = looks[-1]
    if last.verdict is Verdict.INCONCLUSIVE:
        return last
    if len(passed) > len(failed):
        return passed[-1]
    return replace(last, verdict=Verdict.INCONCLUSIVE, reason="contradictory")
