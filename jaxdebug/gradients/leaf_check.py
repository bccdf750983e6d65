"""The verdict on each leaf's gradient, from all witnesses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxdebug.gradients.blocks import Block
from jaxdebug.gradients.evidence import Evidence
from jaxdebug.gradients.judgement import Judgement, judge
from jaxdebug.gradients.kinks import Kind, Known, Point
from jaxdebug.gradients.leaf import Leaf, Seen
from jaxdebug.gradients.leaf_gap import Gap, wrong_blocks
from jaxdebug.reports import WORST_FIRST, Verdict

AMPLIFIED = 1e3
"""A gap of a coordinate by so many times what the rules on its way are off by is made
by those: terms of either sign cancel, their gaps do not."""

AGREEMENT = 1e-6
"""Relative to the leaf's typical slope: what differences tell apart at best."""

NEGLIGIBLE = 1e-8
"""A slope below this part of the whole gradient's is zero but for rounding."""

SATURATED = 1e-12
"""So is one below this part of the function's value: float64 tells no more."""

SOLVED = 1e-2
"""Behind a loop that stops at a tolerance, value and gradient are approximations:
up to this part of the typical slope a gap may be the tolerance's."""


@dataclass(frozen=True)
class LeafCheck:
    """Whether one leaf's gradient is right.

    Attributes:
        path: of the leaf, in the user's spelling.
        shape: of the leaf.
        dtype: of the leaf.
        verdict: pass, fail or inconclusive.
        reason: `agrees`, `certified`, `within-jitter`, `stopped`, `kink`, `edge`,
            `expected`, `negligible`, `no-effect`, `flat`, `empty`; `disagrees`,
            `lost-gradient`, `not-finite`, `differentiable-here`; `not-converged`,
            `too-noisy`, `iterates`, `cancels`, `not-differentiable`,
            `nondeterministic`, `gauge`, `silent-rule`, `not-implemented`,
            `not-looked-at` or `contradictory`.
        witness: which one decided: `coordinates` (against the gradient without
            custom rules), `differences` (`certificate`, if only of all leaves
            together) or `values`.
        error: relative gap of the worst coordinate.
        index: of that coordinate; empty for scalars.
        found: the gradient there.
        expected: without custom rules.
        slope: by the gradient, along the leaf's direction.
        difference: by finite differences.
        bar: bound on the error of `difference`; infinite where there is none.
        size: slope that the direction has typically.
        precision: relative error of the gradient in the working precision; where it
            is large, against float64 with the same discrete decisions.
        causes: the rules that make it wrong.
        flips: where `precision` was large: what it changes of the gradient that
            float64 decides otherwise (comparisons, argmax, orders), relative.
        blocks: boxes that hold its wrong elements, where they could be told.
        way: of a leaf whose gradient is zero, how it reaches the outputs in the
            program: `open` to a derivative, `cut`, `declared` (cut where that is
            expected) or `unread`; empty for others.
        cuts: what cuts it, as `round at file:line`, the nearest to the leaf first.
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
    flips: float = 0.0
    blocks: tuple[Block, ...] = ()
    way: str = ""
    cuts: tuple[str, ...] = ()

    @property
    def mismatch(self) -> float:
        """Gap of the slope, relative to the slope that the direction has typically."""
        gap = abs(self.slope - self.difference)
        return gap / self.size if self.size > 0 else gap

    @property
    def where(self) -> str:
        """What of it is wrong: the leaf, or an index of it, as in `kernel[:, 0:16]`."""
        most = 3
        named = [block.named(self.path, self.shape) for block in self.blocks[:most]]
        rest = len(self.blocks) - most
        more = [f"{rest} more blocks"] if rest > 0 else []
        return " and ".join([*named, *more]) or self.path

    @property
    def withheld(self) -> bool:
        """Whether a stop_gradient keeps all of a slope back that the function has."""
        zero = bool(self.way) and self.slope == 0 == self.size
        return self.reason == "stopped" and zero and abs(self.difference) > self.bar


def check_leaf(
    leaf: Leaf, index: int, evidence: Evidence, seen: Sequence[Seen], certified: bool
) -> LeafCheck:
    """The verdict on one leaf.

    Args:
        leaf: what is known of it.
        index: its position among the leaves.
        evidence: on the host; of the given point and of one near it.
        seen: the leaf alone, along each direction; the worst counts.
        certified: whether the gradient as a whole is known to be right.
    """
    whole = evidence.norm(1)
    gaps = [Gap.of(evidence, point, index, whole, leaf.rounding) for point in (0, 1)]
    if not leaf.wrong:
        made = AMPLIFIED * leaf.within
        gaps = [gap._replace(counts=gap.counts and gap.relative > made) for gap in gaps]
    decided = [
        (_decide(leaf, index, evidence, each, gaps, whole, certified), each)
        for each in seen or (None,)
    ]
    (verdict, reason, witness), worst = min(
        decided, key=lambda pair: WORST_FIRST.index(pair[0][0])
    )
    direction = 0 if worst is None else worst.direction
    slope = float(evidence.slopes[1, direction, index])
    size, known = slope_size(evidence, index, direction), Known(slope, np.inf)
    if worst is not None:
        known = worst.near.central
        if reason == "stopped" and worst.plain is not None and size == 0:
            known = worst.plain.central  # the slope that the leaf never gets
        if reason == "differentiable-here" and worst.given is not None:
            # Near the point all is right: what is wrong is what is claimed there.
            slope = float(evidence.slopes[0, direction, index])
            known = worst.given.central
    shown = gaps[1] if gaps[1].counts or not gaps[0].counts else gaps[0]
    place = np.unravel_index(shown.place, leaf.shape) if shown.counts else ()
    failed = verdict is Verdict.FAIL
    return LeafCheck(
        leaf.path,
        leaf.shape,
        leaf.dtype,
        verdict,
        reason,
        witness,
        shown.relative if shown.counts else 0.0,
        tuple(map(int, place)),
        shown.found,
        shown.expected,
        slope,
        known.slope,
        known.bar,
        size,
        float(evidence.precision[0, index]),
        leaf.wrong if failed else (),
        blocks=wrong_blocks(evidence, index, leaf.shape) if failed else (),
    )


def slope_size(evidence: Evidence, leaf: int, direction: int) -> float:
    """The slope that a direction of a leaf typically has."""
    slope = float(evidence.slopes[1, direction, leaf])
    return max(float(evidence.size[1, leaf]), abs(slope))


def _decide(
    leaf: Leaf,
    index: int,
    evidence: Evidence,
    seen: Seen | None,
    gaps: Sequence[Gap],
    whole: float,
    certified: bool,
) -> tuple[Verdict, str, str]:
    if 0 in leaf.shape:
        return Verdict.PASS, "empty", "values"
    direction = 0 if seen is None else seen.direction
    slopes, value = evidence.slopes[:, direction, index], evidence.value
    outside = np.isfinite(value[0]) and not np.isfinite(value[1])
    seen_numbers = [slopes[0], value[0], evidence.precision[0, index]]
    seen_numbers += [] if outside else [slopes[1]]
    broken = evidence.coordinates.broken[: 1 if outside else 2, index]
    if not np.isfinite(seen_numbers).all() or broken.any():
        return Verdict.FAIL, "not-finite", "values"
    given, near = (gap.counts for gap in gaps)
    rounding = not leaf.wrong and _is_negligible(index, evidence, seen, whole, gaps)
    if (given or near) and (leaf.wrong or not leaf.kinked) and not rounding:
        return Verdict.FAIL, "disagrees", "coordinates"
    if leaf.meant:
        if near:
            return Verdict.INCONCLUSIVE, "contradictory", "coordinates"
        return Verdict.PASS, "expected", "coordinates"
    if seen is None:
        if certified:
            return Verdict.PASS, "certified", "certificate"
        return Verdict.INCONCLUSIVE, "not-looked-at", "certificate"
    if outside:
        return *_at_edge(float(slopes[0]), seen.given), "differences"
    found = judge_near(index, evidence, seen, whole)
    if found.reason == "outside-kink" and seen.plain is not None:
        # What is rounded may lie on many kinks wherever the point is, a side of each.
        found = Judgement(Verdict.INCONCLUSIVE, "not-differentiable")
    if found.verdict is Verdict.PASS and seen.given is not None:
        found = _judge_given(float(slopes[0]), seen.given, found)
    if found.reason == "agrees" and (given or near) and not leaf.cancels:
        found = found._replace(reason="kink")
    if found.verdict is Verdict.PASS and seen.plain is not None:
        found = found._replace(reason="stopped")
    gap = abs(float(slopes[1]) - seen.near.central.slope)
    if leaf.iterates and found.verdict is Verdict.FAIL and gap <= SOLVED * whole:
        found = Judgement(Verdict.INCONCLUSIVE, "iterates")
    if leaf.cancels and found.verdict is Verdict.FAIL:
        # Where a derivative is rounding, so are differences of its function.
        found = Judgement(Verdict.INCONCLUSIVE, "cancels")
    return found.verdict, found.reason, "differences"


def _is_negligible(
    index: int,
    evidence: Evidence,
    seen: Seen | None,
    whole: float,
    gaps: Sequence[Gap],
) -> bool:
    """Whether a gap that no rule makes is of terms that cancel to zero.

    The rounding of such terms is of their size, which the gradient does not show.
    """
    if seen is None or max(gap.absolute for gap in gaps) > NEGLIGIBLE * whole:
        return False
    return judge_near(index, evidence, seen, whole).reason == "negligible"


_BESIDE_CONSTANT = Judgement(Verdict.INCONCLUSIVE, "not-differentiable")
"""At an edge of the domain beside which nothing changes, no difference can confirm a
slope: zero would be confirmed by every function that is not finite beyond."""


def _at_edge(slope: float, point: Point | None) -> tuple[Verdict, str]:
    """Where the function ends beside the point, so that nothing is known near it."""
    if point is None or point.kind not in (Kind.EDGE, Kind.SMOOTH):
        return Verdict.INCONCLUSIVE, "edge"
    if point.around == 0:
        return _BESIDE_CONSTANT
    found = judge(slope, point, scale=point.around, tolerance=AGREEMENT)
    passed = found.verdict is Verdict.PASS
    return found.verdict, "edge" if passed else found.reason


def judge_near(index: int, evidence: Evidence, seen: Seen, whole: float) -> Judgement:
    """The slope along a leaf's direction, at the point where no kink lies."""
    slope = float(evidence.slopes[1, seen.direction, index])
    size, point = slope_size(evidence, index, seen.direction), seen.near
    known = point.central
    if size == 0.0 and abs(known.slope) <= known.bar:
        return Judgement(Verdict.PASS, "flat" if point.changes else "no-effect")
    found = judge(slope, point, scale=size, tolerance=AGREEMENT)
    undecided = found.verdict is not Verdict.FAIL
    value = SATURATED * abs(float(evidence.value[1]))
    if undecided and abs(slope) + known.bar <= max(NEGLIGIBLE * whole, value):
        return Judgement(Verdict.PASS, "negligible")
    return found


def _judge_given(slope: float, point: Point, near: Judgement) -> Judgement:
    """At the given point: only what is certain there overrules what is near it.

    Where both one-sided slopes are the same, the function has a derivative. Where
    they differ, the gradient may lawfully lie outside them: a network has many
    kinks at once, and each one's own derivative is judged where it is.
    """
    if point.kind in (Kind.JUMP, Kind.CUSP):
        return Judgement(Verdict.INCONCLUSIVE, "not-differentiable")
    if point.kind is Kind.KINK:
        return Judgement(Verdict.PASS, "kink")
    if point.kind is Kind.EDGE:
        if point.around == 0:
            return _BESIDE_CONSTANT
        return judge(slope, point, tolerance=AGREEMENT)
    if point.kind is Kind.SMOOTH:
        found = judge(slope, point, scale=point.around, tolerance=AGREEMENT)
        if found.verdict is Verdict.FAIL:
            return Judgement(Verdict.FAIL, "differentiable-here")
    return near
