"""What an instruction of a small program can do, in JAX and in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxdebug.testing.programs.dual import Dual

Shape = tuple[int, ...]
Shapes = Sequence[Shape]
Settings = tuple[Any, ...]


class Operation(NamedTuple):
    """One kind of instruction.

    Attributes:
        operands: how many arrays it takes.
        traced: in JAX, of a body (a function, or None), settings and arrays.
        dual: the same in NumPy, with derivatives.
        fits: the settings it can have for operands of these shapes; none if it cannot.
        group: `elementwise`, `array`, `indexed`, `rule`, `flow` or `blocked`.
    """

    operands: int
    traced: Callable[..., Any]
    dual: Callable[..., Dual]
    fits: Callable[[Shapes], list[Settings]]
    group: str


def broadcast(*shapes: Shape) -> Shape | None:
    """The shape that these broadcast to, or None."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None
