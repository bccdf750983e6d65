"""Differences of the function: a few steps first, many where they leave it open."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxdebug.checks.gradient_plan import Asked
from jaxdebug.gradients.certificate import Certificate, certify
from jaxdebug.gradients.kinks import Kind, Known, Point, points_on_ladder
from jaxdebug.gradients.ladder import as_ladder
from jaxdebug.gradients.leaf_check import AGREEMENT, SATURATED, Leaf, Seen, judge_near
from jaxdebug.gradients.moves import (
    ALL,
    FINE,
    FINER,
    GIVEN,
    LONG,
    NEAR,
    SHORT,
    Rungs,
    evaluations,
)
from jaxdebug.reports import Verdict

DIRECTIONS = 4
"""Along which all leaves move at once."""

COARSE = 0.3
"""A step that changes a leaf for good: it shows whether the function depends on a
leaf whose gradient is zero because of a rounding, a cast or a hinge."""

CERTAIN = 1e-5
"""A larger bound on the error of the whole gradient is worth smaller steps."""

EPS = float(np.finfo(np.float64).eps)

ROUGH = (Kind.JUMP, Kind.CUSP, Kind.EDGE, Kind.INVALID)


class Differences:
    """What values of the function say, asked for as they are needed.

    Attributes:
        values: how many there were.
    """

    def __init__(self, asked: Asked, leaves: Sequence[Leaf]) -> None:
        self.asked, self.leaves = asked, leaves
        self.values = 0
        self.whole = float(np.sqrt(np.nansum(asked.evidence.size[1] ** 2)))
        ladders = [
            *(Rungs(NEAR, k, ALL, SHORT) for k in range(DIRECTIONS)),
            Rungs(GIVEN, 0, ALL, FINE),
            *(Rungs(NEAR, 0, leaf, SHORT) for leaf in range(len(leaves))),
        ]
        points = self._points(ladders)
        self.near, given, self.alone = (
            points[:DIRECTIONS],
            points[DIRECTIONS],
            points[DIRECTIONS + 1 :],
        )
        if given.kind is Kind.UNDECIDED:
            (given,) = self._points([Rungs(GIVEN, 0, ALL, LONG)])
        self.rough = given.kind in ROUGH or self._contradicts(given)

    def seen(self, index: int) -> Seen:
        """What is known of one leaf alone."""
        seen = Seen(self.alone[index])
        for frozen in (False, True):
            open_ = self._is_open(index, seen.near)
            if (frozen and not self.leaves[index].cut) or not (open_ or self.rough):
                break
            if frozen and not open_:
                break
            ladders = [Rungs(point, 0, index, LONG) for point in (NEAR, GIVEN)]
            plain = seen.near if frozen else None
            near, given = self._points(ladders, frozen)
            seen = Seen(near, given, plain)
        found = judge_near(index, self.asked.evidence, seen.near, self.whole)
        if found.reason == "no-effect":
            seen = seen._replace(near=seen.near._replace(changes=self._reacts(index)))
        return seen

    def certificate(self) -> Certificate:
        """The bound on the error of the whole gradient."""
        found = self._certified(self.near)
        if found.error > CERTAIN:
            # Kinks between the steps make a bar wide: fewer are between smaller ones.
            finer = [Rungs(NEAR, k, ALL, FINER) for k in range(DIRECTIONS)]
            pairs = zip(self.near, self._points(finer), strict=True)
            best = [min(pair, key=lambda point: _best(point).bar) for pair in pairs]
            found = min(found, self._certified(best), key=lambda known: known.error)
        return found

    def _certified(self, points: Sequence[Point]) -> Certificate:
        slopes = self.asked.evidence.slopes[1].sum(-1)
        return certify(
            [_best(p).slope - s for p, s in zip(points, slopes, strict=True)],
            [_best(point).bar for point in points],
            self.whole,
        )

    def _points(self, ladders: Sequence[Rungs], frozen: bool = False) -> list[Point]:
        self.values += evaluations(ladders)
        # A step in float64 is only taken up to the rounding of the leaves.
        noise = 4 * EPS * self.whole
        found = []
        for ladder, (centre, values) in zip(
            ladders, self.asked.evaluate(ladders, frozen=frozen), strict=True
        ):
            steps = np.asarray(ladder.steps)
            points = points_on_ladder(as_ladder(values, centre, steps), noise=noise)
            found.append(points.at())
        return found

    def _reacts(self, index: int) -> bool:
        """Whether the function changes when a leaf changes much."""
        self.values += 3
        ((centre, values),) = self.asked.evaluate([Rungs(NEAR, 0, index, (COARSE,))])
        return bool(np.any(np.abs(values - centre) > SATURATED * abs(centre)))

    def _is_open(self, index: int, point: Point) -> bool:
        found = judge_near(index, self.asked.evidence, point, self.whole)
        return found.verdict is not Verdict.PASS

    def _contradicts(self, given: Point) -> bool:
        """Whether the function has another slope at the given point than is claimed."""
        evidence = self.asked.evidence
        slope = float(evidence.slopes[0, 0].sum())
        size = float(np.sqrt(np.nansum(evidence.size[0] ** 2)))
        gap = abs(slope - given.central.slope)
        smooth = given.kind is Kind.SMOOTH
        return smooth and not gap <= given.central.bar + AGREEMENT * size


def _best(point: Point) -> Known:
    """The slope that is known best: a kink may lie close to the point on one side."""
    sides = (point.forward, point.backward) if point.kind is Kind.SMOOTH else ()
    return min((point.central, *sides), key=lambda known: known.bar)
