"""Where a function is evaluated: points, directions and steps.

A few steps tell whether a smooth function has the slope that is claimed; only what
they leave open is looked at again on the long ladder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxdebug.gradients.ladder import steps_of_ladder

GIVEN, NEAR = 0.0, 1e-3
"""Displacements of the two points, relative to each leaf's scale: the given one, and
one where no kink lies. Networks sit exactly on kinks at initialisation: zero biases
before relu, tied maxima."""

BOTH = (GIVEN, NEAR)

SHORT = (1e-5, 1e-6)
"""Steps that confirm a slope, relative to each leaf's scale. Far below the
displacement, so that the kinks near an initialisation are rarely within them."""

FINE = (1e-4, 1e-5, 1e-6, 1e-7)
"""Steps that also tell a jump and a cusp."""

FINER = (3e-7, 1e-7, 3e-8, 1e-8)
"""Steps for functions with kinks wherever one looks, such as large relu networks."""

LONG = tuple(float(step) for step in steps_of_ladder())

ALL = -1
"""In the place of a leaf: all of them move together."""


class Moves(NamedTuple):
    """Evaluations of a function, one for each row."""

    point: Float[Any, " moves"]
    """Displacement of the point, relative to each leaf's scale."""
    direction: Int[Any, " moves"]
    leaf: Int[Any, " moves"]
    """The leaf that moves alone, or `ALL`."""
    amount: Float[Any, " moves"]
    """Signed step, relative to each leaf's scale."""


class Rungs(NamedTuple):
    """One ladder of steps along one direction."""

    point: float
    direction: int
    leaf: int
    steps: tuple[float, ...]


def moves_of(ladders: Sequence[Rungs]) -> Moves:
    """Every evaluation of some ladders: each point once, then the steps of each."""
    rows = [(point, 0, ALL, 0.0) for point in _points_of(ladders)]
    rows += [
        (ladder.point, ladder.direction, ladder.leaf, sign * step)
        for ladder in ladders
        for step in ladder.steps
        for sign in (1, -1)
    ]
    point, direction, leaf, amount = zip(*rows, strict=True)
    return Moves(
        np.array(point, np.float64),
        np.array(direction, np.int32),
        np.array(leaf, np.int32),
        np.array(amount, np.float64),
    )


def in_ladders(
    values: Float[np.ndarray, " moves"], ladders: Sequence[Rungs]
) -> list[tuple[float, Float[np.ndarray, "rungs 2"]]]:
    """The values of each ladder: at its point, and forward and backward."""
    points = _points_of(ladders)
    found, start = [], len(points)
    for ladder in ladders:
        end = start + 2 * len(ladder.steps)
        centre = float(values[points.index(ladder.point)])
        found.append((centre, values[start:end].reshape(-1, 2)))
        start = end
    return found


def evaluations(ladders: Sequence[Rungs]) -> int:
    """How many values some ladders take."""
    return len(_points_of(ladders)) + sum(2 * len(ladder.steps) for ladder in ladders)


def _points_of(ladders: Sequence[Rungs]) -> list[float]:
    return list(dict.fromkeys(ladder.point for ladder in ladders))
