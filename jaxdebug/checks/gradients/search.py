"""Where in a leaf its gradient is wrong, if only differences of the function tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import jax
import numpy as np

from jaxdebug.checks.gradients.asked import Asked
from jaxdebug.checks.gradients.plan import own_settings
from jaxdebug.checks.gradients.programs import in_float64
from jaxdebug.gradients.blocks import Block
from jaxdebug.gradients.frozen import frozen_function
from jaxdebug.gradients.kinks import points_on_ladder
from jaxdebug.gradients.ladder import as_ladder
from jaxdebug.gradients.leaf import Leaf
from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.gradients.localisation import Gap, locate
from jaxdebug.gradients.masked import STEPS, base, masked
from jaxdebug.reports import Verdict

EVALUATIONS = 1000
"""Of the function, for each leaf: they locate one element among 1e6 and more."""

ROUNDED = 1e-8
"""Of the slope that a box typically has: what JAX's own rules are rounded to."""

MOST = 3
"""Leaves that are looked into, those with the largest error: the others have the same
cause more often than not."""


def located(
    checks: Sequence[LeafCheck], leaves: Sequence[Leaf], search: Search
) -> list[LeafCheck]:
    """Checks with the blocks that differences find in what they say is wrong.

    Args:
        checks: of each leaf.
        leaves: what is known of each.
        search: looks into them.
    """
    decided = [
        index
        for index, check in enumerate(checks)
        if check.verdict is Verdict.FAIL
        and check.witness == "differences"
        and check.reason in ("disagrees", "differentiable-here")
    ]
    found = list(checks)
    for index in sorted(decided, key=lambda i: -checks[i].mismatch)[:MOST]:
        at_point = checks[index].reason == "differentiable-here"
        blocks = search.blocks(
            index,
            checks[index].shape,
            0 if at_point else 1,
            leaves[index].cut,
        )
        found[index] = replace(checks[index], blocks=blocks)
    return found


class Search:
    """Looks into leaves; what it needs is compiled when the first one is asked for.

    Attributes:
        values: how many evaluations of the function there were.
    """

    def __init__(self, asked: Asked, left: float) -> None:
        self.asked, self.left = asked, left
        self.values = 0
        self.whole = asked.evidence.norm(1)

    def blocks(
        self, leaf: int, shape: Sequence[int], point: int, frozen: bool
    ) -> tuple[Block, ...]:
        """The boxes of a leaf that hold the elements whose gradient is wrong.

        Args:
            leaf: its position.
            shape: of it.
            point: index of the point at which it is wrong.
            frozen: hold still what stop_gradient hands on.
        """
        if self.left - self.values <= 2 * len(STEPS):
            return ()
        run = self._frozen if frozen else self._plain
        rank = max(len(shape_) for shape_ in self._shapes)
        steps = np.asarray(STEPS)
        noise = 4 * float(np.finfo(np.float64).eps) * self.whole
        given = self.asked.given
        cotangents, sizes = given[1], given[3]
        with in_float64(self.asked.device):
            displacement = self.asked.evidence.displacement[point]
            start = self._base(*given[:4], jax.device_put(displacement))
            centre = float(start.value)
        self.values += 1

        def probe(box: Block) -> Gap:
            low, high = (
                np.array([*part, *[0] * (rank - len(part))], np.int32)
                for part in (box.start, box.stop)
            )
            with in_float64(self.asked.device):
                where = jax.device_put((np.int32(leaf), low, high))
                seen = jax.device_get(run(start, cotangents, sizes, *where))
            self.values += seen.values.size
            found = points_on_ladder(as_ladder(seen.values, centre, steps), noise=noise)
            known = found.at().central
            size = max(float(seen.size), abs(known.slope))
            gap = float(seen.slope) - known.slope
            return Gap(gap, known.bar + ROUNDED * size)

        most = int(min(EVALUATIONS, self.left - self.values))
        return locate(probe, shape, most // (2 * len(STEPS)))

    @property
    def _shapes(self) -> list[tuple[int, ...]]:
        graph, split = self.asked.plan.graph, self.asked.plan.problem.split
        return [tuple(graph.avals[graph.inputs[i]].shape) for i in split.moving]

    @cached_property
    def _base(self) -> Any:
        those = self.asked.plan.witnesses

        def run(*given: Any) -> Any:
            with own_settings():
                return base(those, *given)

        return jax.jit(run)

    @cached_property
    def _plain(self) -> Any:
        those = self.asked.plan.witnesses
        return self._moved(lambda _, leaves: those.function.apply(leaves))

    @cached_property
    def _frozen(self) -> Any:
        program = self.asked.plan.witnesses.function.program
        return self._moved(frozen_function(program))

    def _moved(self, function: Any) -> Any:
        those = self.asked.plan.witnesses

        def run(start: Any, cotangents: Any, sizes: Any, *where: Any) -> Any:
            with own_settings():
                return masked(those, function, start, cotangents, sizes, *where)

        return jax.jit(run)
