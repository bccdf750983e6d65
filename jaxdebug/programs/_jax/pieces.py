"""Which elements of a vector an equation takes out of it."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from jax.extend.core import JaxprEqn


def piece_starts(equation: JaxprEqn) -> tuple[int, ...] | None:
    """Where in a vector each result of a slice or split begins.

    None if it is no vector, or if elements are skipped.
    """
    params = equation.params
    aval: Any = equation.invars[0].aval
    if len(aval.shape) != 1:
        return None
    if equation.primitive.name == "split":
        return tuple(accumulate((0, *params["sizes"][:-1])))
    if equation.primitive.name == "slice" and params["strides"] in (None, (1,)):
        return (params["start_indices"][0],)
    return None
