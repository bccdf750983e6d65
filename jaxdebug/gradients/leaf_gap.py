"""Where a leaf's gradient is not the one without custom rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jaxdebug.gradients.blocks import Block
from jaxdebug.gradients.coordinates import COORDINATE, ROUNDING
from jaxdebug.gradients.evidence import Evidence

CANCELLED = 4e-15
"""Of the function's value: as much is left of terms of its size that cancel."""


class Gap(NamedTuple):
    """A leaf's gradient against the one without custom rules, at one point."""

    relative: float
    place: int
    found: float
    expected: float
    counts: bool
    """Whether it is more than rounding."""
    absolute: float
    """In the leaf's scale."""

    @staticmethod
    def of(
        evidence: Evidence, point: int, leaf: int, whole: float, rounding: float
    ) -> Gap:
        """The gap of a leaf at a point.

        Args:
            evidence: on the host.
            point: index of the point.
            leaf: index of the leaf.
            whole: norm of the whole gradient, each leaf in its scale.
            rounding: of primitives that keep their native dtype.
        """
        each = evidence.coordinates
        relative = float(each.gap[point, leaf])
        scale = float(evidence.scales[point, leaf])
        absolute = float(each.absolute[point, leaf]) * scale
        rounded = max(
            ROUNDING * whole,
            CANCELLED * abs(float(evidence.value[point])),
            rounding * float(each.size[point, leaf]) * scale,
        )
        return Gap(
            relative,
            int(each.worst[point, leaf]),
            float(each.found[point, leaf]),
            float(each.expected[point, leaf]),
            relative > COORDINATE and absolute > rounded,
            absolute,
        )


def wrong_blocks(
    evidence: Evidence, leaf: int, shape: Sequence[int]
) -> tuple[Block, ...]:
    """The box of coordinates that disagree; near the point, where no kink is."""
    if evidence.boxes is None:
        return ()
    near, given = (evidence.boxes.at((point, leaf), len(shape)) for point in (1, 0))
    return near or given
