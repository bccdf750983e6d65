"""Differences of the function: a few steps first, many where they leave it open.

What is looked at is said by generators: they hand out ladders of steps and are handed
what these show. Whoever drives one decides where the values are computed, and how
many there may be; many gradients are looked at side by side.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxdebug.gradients.certificate import Certificate, certify
from jaxdebug.gradients.evidence import Evidence
from jaxdebug.gradients.judgement import Judgement, judge
from jaxdebug.gradients.kinks import Kind, Known, Point
from jaxdebug.gradients.leaf import Leaf, Seen
from jaxdebug.gradients.leaf_check import AGREEMENT, SATURATED, judge_near
from jaxdebug.gradients.moves import ALL, FINE, FINER, GIVEN, LONG, SHORT, Rungs
from jaxdebug.reports import Verdict

DIRECTIONS = 4
"""Along which all leaves move at once."""

COARSE = (0.3,)
"""A step that changes a leaf for good: it shows whether the function depends on a
leaf whose gradient is zero because of a rounding, a cast or a hinge."""

CERTAIN = 1e-5
"""A larger bound on the error of the whole gradient is worth smaller steps."""

OTHERS = 8
"""Directions along which a point that looks smooth along one may show a corner."""

CORNERS = (Kind.KINK, Kind.CUSP, Kind.JUMP)

ROUGH = (Kind.JUMP, Kind.CUSP, Kind.EDGE, Kind.INVALID)


class Ask(NamedTuple):
    """Values that are asked for: the more important ladders first."""

    ladders: Sequence[Rungs]
    frozen: bool = False
    """Hold still what stop_gradient hands on."""


Answer = Sequence[Point | None]
"""What each ladder shows; None where there were to be no more values."""

Place = tuple[int, int]
"""A leaf, and the direction along which it moves alone."""


class Contradiction(NamedTuple):
    """A slope of the whole gradient that is not the function's."""

    slope: float
    """By the gradient."""
    difference: float
    """By differences."""
    bar: float
    """Bound on the error of the latter."""


class Looked(NamedTuple):
    """What values of the function say."""

    seen: Mapping[int, Sequence[Seen]]
    """Of each leaf that was looked at alone, along each direction."""
    certificate: Certificate
    contradiction: Contradiction | None
    """Where the whole gradient has another slope than the function, and leaves that
    were not looked at alone may have it."""


def look(
    evidence: Evidence, leaves: Sequence[Leaf], alone: int
) -> Generator[Ask, Answer, Looked]:
    """Look at a gradient as a whole, and at each leaf alone.

    Args:
        evidence: what the other witnesses say.
        leaves: what is known of each.
        alone: along how many directions each leaf moves alone.
    """
    near = float(evidence.displacement[1])
    # The bound on the whole says least of the smallest leaves.
    order = np.argsort(evidence.size[1], kind="stable").tolist()
    places = [(leaf, k) for k in range(alone) for leaf in order]
    together = [Rungs(near, k, ALL, SHORT) for k in range(DIRECTIONS)]
    at_given = [Rungs(GIVEN, 0, ALL, FINE)] if near != GIVEN else []
    apart = [Rungs(near, k, leaf, SHORT) for leaf, k in places]
    points = yield Ask([*together, *at_given, *apart])
    whole, points = points[:DIRECTIONS], points[DIRECTIONS:]
    rough = False
    if at_given and points[0] is not None:
        rough = yield from _is_rough(evidence, points[0])
    shown = zip(places, points[len(at_given) :], strict=True)
    first = {place: point for place, point in shown if point is not None}
    seen = yield from _closer(evidence, leaves, first, rough)
    seen = yield from _cornered(evidence, seen)
    certificate = _certified(evidence, whole)
    # What is kept out of the derivative is none of the gradient's.
    frozen = certificate.error > CERTAIN and any(leaf.cut for leaf in leaves)
    if frozen:
        again = yield Ask(together, frozen)
        whole = whole if None in again else again
    certificate = yield from _certificate(evidence, whole, frozen)
    by_leaf: dict[int, list[Seen]] = {}
    for (leaf, _), each in sorted(seen.items(), key=lambda item: item[0]):
        by_leaf.setdefault(leaf, []).append(each)
    contradiction = None
    unlooked = len(by_leaf) < len(leaves) and certificate.error > CERTAIN
    if unlooked and not any(leaf.meant or leaf.iterates for leaf in leaves):
        contradiction = yield from _contradiction(evidence, frozen)
    return Looked(by_leaf, certificate, contradiction)


def _closer(
    evidence: Evidence,
    leaves: Sequence[Leaf],
    first: Mapping[Place, Point],
    rough: bool,
) -> Generator[Ask, Answer, dict[Place, Seen]]:
    """What a few steps show of leaves alone, and many steps where that is open."""
    near = float(evidence.displacement[1])
    seen = {place: Seen(point, direction=place[1]) for place, point in first.items()}
    for frozen in (False, True):
        open_ = [
            place for place, each in seen.items() if _is_open(evidence, place, each)
        ]
        if frozen:
            doubtful = [place for place in open_ if leaves[place[0]].cut]
        else:
            doubtful = [*open_, *(p for p in seen if rough and p not in open_)]
        ladders = [
            Rungs(point, k, leaf, LONG)
            for leaf, k in doubtful
            for point in (near, GIVEN)
        ]
        points = iter((yield Ask(ladders, frozen)) if ladders else [])
        for place, beside, at in zip(doubtful, points, points, strict=True):
            plain = seen[place].near if frozen else None
            if beside is not None and at is not None:
                seen[place] = Seen(beside, at, plain, place[1])
            elif place in open_:
                del seen[place]
    still = [
        place
        for place, each in seen.items()
        if _judged(evidence, place, each).reason == "no-effect"
    ]
    steps = [Rungs(near, k, leaf, COARSE) for leaf, k in still]
    points = (yield Ask(steps)) if steps else []
    least = SATURATED * abs(float(evidence.value[1]))
    for place, point in zip(still, points, strict=True):
        # That a leaf does nothing cannot be told without a large step.
        each = seen.pop(place)
        if point is not None:
            change = point.change if point.change > least else 0.0
            seen[place] = each._replace(near=each.near._replace(change=change))
    return seen


def _cornered(
    evidence: Evidence, seen: dict[Place, Seen]
) -> Generator[Ask, Answer, dict[Place, Seen]]:
    """The same, with the corners of points that look smooth along one direction alone.

    Where several kinks meet, as in a maximum of ties, both slopes along a direction may
    be the same, although there is no derivative.
    """
    for place, each in seen.items():
        if each.given is None or each.given.kind is not Kind.SMOOTH:
            continue
        slope = float(evidence.slopes[0, each.direction, place[0]])
        scale = each.given.around
        found = judge(slope, each.given, scale=scale, tolerance=AGREEMENT)
        if found.verdict is not Verdict.FAIL:
            continue
        others = range(place[1] + 1, place[1] + 1 + OTHERS)
        ladders = [Rungs(GIVEN, other, place[0], LONG) for other in others]
        points = yield Ask(ladders, each.plain is not None)
        corners = [one for one in points if one is not None and one.kind in CORNERS]
        if corners:
            seen[place] = each._replace(given=corners[0])
    return seen


def _is_rough(evidence: Evidence, given: Point) -> Generator[Ask, Answer, bool]:
    """Whether the given point is none of a smooth function with that gradient."""
    if given.kind is Kind.UNDECIDED:
        (longer,) = yield Ask([Rungs(GIVEN, 0, ALL, LONG)])
        given = longer or given
    slope = float(evidence.slopes[0, 0].sum())
    gap = abs(slope - given.central.slope)
    agrees = gap <= given.central.bar + AGREEMENT * evidence.norm(0)
    return given.kind in ROUGH or (given.kind is Kind.SMOOTH and not agrees)


def _certificate(
    evidence: Evidence, points: Answer, frozen: bool
) -> Generator[Ask, Answer, Certificate]:
    """The bound on the error of the whole gradient."""
    near = float(evidence.displacement[1])
    found = _certified(evidence, points)
    if found.error <= CERTAIN or near == GIVEN:
        return found
    # Kinks between the steps make a bar wide: fewer are between smaller ones.
    ladders = [Rungs(near, k, ALL, FINER) for k in range(len(points))]
    finer = yield Ask(ladders, frozen)
    if None in finer:
        return found
    pairs = zip(points, finer, strict=True)
    best = [min(_present(pair), key=lambda point: _best(point).bar) for pair in pairs]
    return min(found, _certified(evidence, best), key=lambda known: known.error)


def _present(points: Answer) -> list[Point]:
    return [point for point in points if point is not None]


def _certified(evidence: Evidence, answer: Answer) -> Certificate:
    slopes, points = evidence.slopes[1].sum(-1), _present(answer)
    return certify(
        [_best(p).slope - s for p, s in zip(points, slopes, strict=True)],
        [_best(point).bar for point in points],
        evidence.norm(1),
    )


def _contradiction(
    evidence: Evidence, frozen: bool
) -> Generator[Ask, Answer, Contradiction | None]:
    """Whether the whole gradient is wrong for certain, along one direction."""
    near = float(evidence.displacement[1])
    if near == GIVEN:  # it may be on a kink
        return None
    (point,) = yield Ask([Rungs(near, 0, ALL, LONG)], frozen)
    if point is None:
        return None
    slope = float(evidence.slopes[1, 0].sum())
    found = judge(slope, point, scale=evidence.norm(1), tolerance=AGREEMENT)
    if found.verdict is not Verdict.FAIL:
        return None
    return Contradiction(slope, *point.central)


def _judged(evidence: Evidence, place: Place, seen: Seen) -> Judgement:
    return judge_near(place[0], evidence, seen, evidence.norm(1))


def _is_open(evidence: Evidence, place: Place, seen: Seen) -> bool:
    return _judged(evidence, place, seen).verdict is not Verdict.PASS


def _best(point: Point) -> Known:
    """The slope that is known best: a kink may lie close to the point on one side."""
    sides = (point.forward, point.backward) if point.kind is Kind.SMOOTH else ()
    return min((point.central, *sides), key=lambda known: known.bar)
