"""One leaf, looked at: a function of one variable, and what is claimed of its slope."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxdebug.checks.gradients.answers import STANDARD, answered
from jaxdebug.checks.gradients.asked import OnLadders, Wanted
from jaxdebug.checks.gradients.differences import DIRECTIONS
from jaxdebug.gradients.coordinates import NO_GAP, Coordinates
from jaxdebug.gradients.evidence import Evidence
from jaxdebug.gradients.leaf import Leaf
from jaxdebug.gradients.leaf_check import LeafCheck, check_leaf
from jaxdebug.gradients.moves import ALL, NEAR, Rungs

Function = Callable[[float], float]


class Asked(NamedTuple):
    """A function along a line, in the place of a plan at its arguments."""

    evidence: Evidence
    function: Function
    point: float
    near: float
    others: float

    @property
    def evidences(self) -> Sequence[Evidence]:
        return (self.evidence,)

    def and_near(self, which: Sequence[int]) -> "Asked":
        raise NotImplementedError(which)

    def values(self, wanted: Wanted, *, frozen: bool) -> OnLadders:
        """Values on ladders: the first leaf is the line, the second is steady."""
        assert not frozen
        return {(0, ladder): self._ladder(ladder) for ladder in wanted[0]}

    def _ladder(self, ladder: Rungs) -> tuple[float, np.ndarray]:
        start = self.point + self.near * (ladder.point == NEAR)

        def value(step: float) -> float:
            first, second = (step * (ladder.leaf in (ALL, leaf)) for leaf in (0, 1))
            return self.function(start + first) + self.others * second

        rungs = [[value(step), value(-step)] for step in ladder.steps]
        return value(0.0), np.array(rungs)


def look(
    function: Function,
    gradient: Function,
    point: float,
    *,
    near: float = NEAR,
    others: float = 0.0,
    precision: float = 0.0,
    iterates: bool = False,
    gap: float = 0.0,
) -> LeafCheck:
    """The verdict on a gradient along a direction of length one.

    Args:
        function: along the direction.
        gradient: what is claimed to be its derivative.
        point: where it is looked at.
        near: displacement of the second point.
        others: typical slope of a second leaf, which agrees.
        precision: relative error of the native gradient.
        iterates: whether the leaf goes through a loop of open length.
        gap: to the gradient without custom rules, of another sign.
    """
    points = (point, point + near)
    slopes = np.array([[gradient(x), others] for x in points])
    none: Any = [np.zeros((2, 2), type(part)) for part in NO_GAP]
    gaps = np.array([[gap, 0.0]] * 2)
    evidence = Evidence(
        np.array([function(x) for x in points]),
        np.repeat(slopes[:, None], DIRECTIONS, 1),
        np.abs(slopes),
        Coordinates(*none)._replace(gap=2.0 * (gaps > 0), absolute=gaps),
        (),
        None,
        np.repeat([[precision, 0.0]], 2, 0),
        np.ones((2, 2)),
    )
    leaf = Leaf("w", (1,), "float32", (), False, False, iterates, False)
    asked = Asked(evidence, function, point, near, others)
    found, _ = answered(asked, {0: [leaf, leaf]}, STANDARD)[0]
    return check_leaf(leaf, 0, evidence, found.seen[0], certified=False)
