"""A gradient's witnesses at one set of arguments, and values of its function there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from jaxdebug.checks.gradients.programs import Given, in_float64
from jaxdebug.gradients.determinism import spread
from jaxdebug.gradients.evidence import Evidence, at_points
from jaxdebug.gradients.moves import NEAR, Rungs, in_ladders, moves_of
from jaxdebug.programs.places import is_inexact

if TYPE_CHECKING:
    from jaxdebug.checks.gradients.plan import GradientPlan

Values = tuple[float, np.ndarray]
"""At the point of a ladder, and (rungs, 2) forward and backward."""

Wanted = Mapping[int, Sequence[Rungs]]
"""Ladders of some of the examples that are looked at side by side."""


OnLadders = dict[tuple[int, Rungs], Values]
"""Values of each example on each ladder."""


class Asked(NamedTuple):
    """A plan at one set of arguments, and what its witnesses say."""

    plan: GradientPlan
    held: Given
    """What is given, on the host or the device."""
    evidence: Evidence
    device: Any
    """Where they were asked; None for the default."""
    points: int
    """At how many."""
    spread: tuple[float, ...] = ()
    """Of two runs in the working precision: outputs, then the gradient; empty where
    there was one."""

    @property
    def given(self) -> Given:
        """What is given, on the device."""
        with in_float64(self.device):
            return jax.device_put(self.held)

    @property
    def cotangents(self) -> list[Any]:
        """As the working precision gets them."""
        avals = [aval for aval in self.plan.outputs if is_inexact(aval)]
        return [
            jax.device_put(np.asarray(cotangent).astype(aval.dtype))
            for cotangent, aval in zip(self.held[1], avals, strict=True)
        ]

    def twice(self, arguments: Sequence[Any]) -> Asked:
        """The same, with two runs of the gradient compared."""
        native = self.plan.programs.native
        runs = [native(arguments, self.cotangents) for _ in range(2)]
        return self._replace(spread=tuple(map(float, spread(*jax.device_get(runs)))))

    @property
    def gradients(self) -> int:
        """How many gradients in float64 this took."""
        return self.points * self.plan.witnesses.gradients

    def around(self, displacements: Sequence[float]) -> list[Evidence]:
        """What the witnesses say at more points; one gradient in float64 for each."""
        return self.plan.programs.evidence(self.given, displacements, self.device)

    @property
    def evidences(self) -> Sequence[Evidence]:
        """Of the one example there is."""
        return (self.evidence,)

    def and_near(self, which: Sequence[int]) -> Asked:
        """The same, asked near the given point too; of the one example there is."""
        (near,) = self.plan.programs.evidence(self.given, (NEAR,), self.device)
        given = jax.tree.map(lambda each: each[0], self.evidence)
        return self._replace(evidence=at_points(given, near), points=1 + len(which))

    def values(self, wanted: Wanted, *, frozen: bool) -> OnLadders:
        """Values of the function on ladders; of the one example there is.

        Args:
            wanted: where.
            frozen: hold still what stop_gradient hands on.
        """
        ladders = wanted[0]
        values = self.plan.programs.values(
            self.given, moves_of(ladders), self.device, frozen=frozen
        )
        found = zip(ladders, in_ladders(values, ladders), strict=True)
        return {(0, ladder): each for ladder, each in found}

    def rounding(self) -> list[tuple[float, float]]:
        """Relative error of each leaf's gradient, by rounding and by decisions.

        The first is against float64 with the decisions of the working precision; the
        second is what float64's own ones change. Costs two gradients in float64.
        """
        with in_float64(self.device):
            parts = jax.device_get(self.plan.rounding(*self.given[:2]))
        return [(float(rounded), float(decided)) for rounded, decided in parts]
