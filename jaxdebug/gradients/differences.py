"""Central differences over a ladder of steps, one leaf at a time.

Every evaluation is one turn of one compiled loop: the loss at a point, with one
leaf moved along its direction. The loop takes a table of moves, so its code
does not grow with the number of leaves. Directions come from the host: drawing
them leaf by leaf on the device takes longer to compile than the model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

STEPS = (1e-5, 1e-6, 1e-7)
"""Relative to the leaf's scale. Far below the displacement, so that the kinks a
network has near its initialisation are rarely between the two evaluations;
float64 still resolves the smallest."""

COARSE = 0.3
"""A step that changes a leaf for good: it shows whether the loss depends on a leaf
whose gradient is zero because of a rounding, a cast or a hinge."""

JITTER = 1e-3
"""Displacement to a generic point, relative to each leaf's scale. Networks sit
exactly on kinks at initialisation: zero biases before relu, tied maxima."""

Loss = Callable[[Sequence[Array]], Float[Array, ""]]
Gradient = Callable[[Sequence[Array]], Sequence[Array]]


class Differences(NamedTuple):
    """Losses and gradients of two points: the given one, and one near it."""

    loss: Float[Array, " points"]
    losses: Float[Array, "points leaves steps 2"]
    """Loss after a step forward and one backward; the coarse step comes first."""
    gradients: Sequence[Float[Array, "points ..."]]


def central_differences(
    loss: Loss,
    gradient: Gradient,
    leaves: Sequence[Array],
    directions: Sequence[Any],
    shifts: Sequence[Any],
    *,
    steps: Sequence[float] = (COARSE, *STEPS),
    jitter: float = JITTER,
) -> Differences:
    """Losses around the point and around one near it, leaf by leaf.

    Args:
        loss: of the leaves, float64.
        gradient: of the loss, for each leaf; as `jax.grad` gives it.
        leaves: float64 or complex128.
        directions: along which each leaf moves, of the leaf's scale.
        shifts: directions to the second point, of the leaf's scale.
        steps: relative to the directions.
        jitter: relative displacement of the second point.

    Cost:
        Two gradients and `2 * (1 + 2 * leaves * steps)` losses; the memory of two
        gradients and of three copies of the leaves.
    """
    moves = jnp.asarray(_moves(len(leaves), steps))

    def at_point(_: None, amount: Array) -> tuple[None, Any]:
        point = [x + amount * d for x, d in zip(leaves, shifts, strict=True)]

        def moved(_: None, move: Array) -> tuple[None, Array]:
            each = zip(point, directions, list(move), strict=True)
            return None, loss([x + step * d for x, d, step in each])

        _, losses = lax.scan(moved, None, moves)
        return None, (losses, list(gradient(point)))

    points = jnp.asarray([0.0, jitter])
    _, (losses, gradients) = lax.scan(at_point, None, points)
    shape = (len(points), len(leaves), len(steps), 2)
    return Differences(losses[:, 0], losses[:, 1:].reshape(shape), gradients)


def _moves(leaves: int, steps: Sequence[float]) -> np.ndarray:
    """For each evaluation, how far each leaf moves; the first moves none."""
    rows = [np.zeros(leaves)]
    for leaf in range(leaves):
        for step in steps:
            for sign in (1.0, -1.0):
                row = np.zeros(leaves)
                row[leaf] = sign * step
                rows.append(row)
    return np.stack(rows)


def evaluations(leaves: int, steps: int = 1 + len(STEPS)) -> int:
    """How many losses `central_differences` evaluates."""
    return 2 * (1 + 2 * leaves * steps)
