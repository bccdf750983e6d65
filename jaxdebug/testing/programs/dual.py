"""Values of NumPy with their derivatives by every coordinate of the inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np


class Dual(NamedTuple):
    """A value and what it changes by.

    The arrays may be complex: with an imaginary step in the inputs, the imaginary part
    of a derivative is a second derivative, without cancellation. So nothing here may
    decide by anything but real parts.

    Attributes:
        value: the array.
        tangent: its derivatives; the leading axis goes over coordinates of the inputs.
        clear: distance to the nearest kink or jump, of this and all that led to it.
    """

    value: np.ndarray
    tangent: np.ndarray
    clear: float = np.inf


def clearance(duals: Sequence[Dual], margins: np.ndarray | float = np.inf) -> float:
    """The smallest distance to a kink of these, and of margins seen now."""
    here = float(np.min(np.abs(margins), initial=np.inf))
    return min([dual.clear for dual in duals] + [here])


def multilinear(function: Callable[..., np.ndarray], *duals: Dual) -> Dual:
    """A function that is linear in each operand: the product rule, and no more.

    Args:
        function: of the values alone.
        *duals: the operands.
    """
    values = [dual.value for dual in duals]
    value = np.asarray(function(*values))
    tangents = []
    for at, dual in enumerate(duals):
        rows = [
            function(*values[:at], row, *values[at + 1 :])  # one coordinate at a time
            for row in dual.tangent
        ]
        tangents.append(np.stack(rows).reshape(len(dual.tangent), *value.shape))
    return Dual(value, np.asarray(sum(tangents)), clearance(duals))


def elementwise(
    value: np.ndarray,
    partials: Sequence[np.ndarray],
    duals: Sequence[Dual],
    margins: np.ndarray | float = np.inf,
) -> Dual:
    """A function of elements, operands broadcast as usual.

    Args:
        value: of the function.
        partials: its derivative by each operand, of the value's shape or broadcast.
        duals: the operands.
        margins: distances of elements to kinks.
    """
    tangent = sum(
        partial * widened(dual, value.ndim)
        for partial, dual in zip(partials, duals, strict=True)
    )
    count = len(duals[0].tangent)
    tangent = np.broadcast_to(np.asarray(tangent), (count, *value.shape))
    return Dual(value, tangent, clearance(duals, margins))


def widened(dual: Dual, rank: int) -> np.ndarray:
    """The tangent with the axes that broadcasting to a rank puts before the value's."""
    count, *shape = dual.tangent.shape
    return dual.tangent.reshape(count, *[1] * (rank - len(shape)), *shape)
