"""A gradient's witnesses at one set of arguments, and values of its function there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from jaxdebug.gradients.evidence import Evidence, at_points
from jaxdebug.gradients.moves import NEAR, Moves, Rungs, in_ladders, moves_of

if TYPE_CHECKING:
    from jaxdebug.checks.gradient_plan import GradientPlan

CHUNK = 32
"""Most evaluations in one call: the program is compiled for that many."""


class Asked(NamedTuple):
    """A plan at one set of arguments, and what its witnesses say."""

    plan: GradientPlan
    held: tuple[Any, ...]
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
    def given(self) -> tuple[Any, ...]:
        """Arguments, cotangents, what directions are drawn from, by how much leaves
        move, and the gradient: all in float64, on the device."""
        with in_float64(self.device):
            return jax.device_put(self.held)

    @property
    def gradients(self) -> int:
        """How many gradients in float64 this took."""
        return self.points * (1 + (self.plan.witnesses.stripped is not None))

    def and_near(self) -> Asked:
        """The same, asked near the given point too."""
        near = self.plan.gather(self.given, (NEAR,), self.device)
        both = (
            jax.tree.map(lambda each: each[0], one) for one in (self.evidence, near)
        )
        return self._replace(evidence=at_points(*both), points=2)

    def evaluate(
        self, ladders: Sequence[Rungs], *, frozen: bool = False
    ) -> list[tuple[float, np.ndarray]]:
        """Values of the function on ladders: at each point, forward and backward.

        Args:
            ladders: where.
            frozen: hold still what stop_gradient hands on.
        """
        function = self.plan.frozen if frozen else self.plan.moved
        with in_float64(self.device):
            values = in_chunks(function, self.given[:4], moves_of(ladders))
        return in_ladders(values, ladders)

    def rounding(self) -> list[tuple[float, float]]:
        """Relative error of each leaf's gradient, by rounding and by decisions.

        The first is against float64 with the decisions of the working precision; the
        second is what float64's own ones change. Costs two gradients in float64.
        """
        with in_float64(self.device):
            parts = jax.device_get(self.plan.rounding(*self.given[:2]))
        return [(float(rounded), float(decided)) for rounded, decided in parts]


def in_chunks(
    function: Callable[..., Any], given: Sequence[Any], moves: Moves
) -> np.ndarray:
    """Values after each move, on the host; the program is one for any number."""
    count, values = len(moves.amount), []
    for start in range(0, count, CHUNK):
        rows = np.arange(start, start + CHUNK) % count
        part = Moves(*(column[rows] for column in moves))
        asked = jax.device_put((part, np.int32(min(CHUNK, count - start))))
        values.append(function(*given, *asked))
    return np.concatenate(jax.device_get(values))[:count]


def in_float64(device: Any) -> AbstractContextManager[Any]:
    """64-bit numbers, on a device or on the default one."""
    stack = ExitStack()
    stack.enter_context(jax.enable_x64(True))
    if device is not None:
        stack.enter_context(jax.default_device(device))
    return stack


def has_float64() -> bool:
    """Whether the default device computes in float64."""
    return jax.default_backend() in ("cpu", "gpu", "cuda", "rocm")
