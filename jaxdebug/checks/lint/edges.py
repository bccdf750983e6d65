"""Points at which an operation, or its derivative, is not finite."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from jaxdebug.programs._jax import names
from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.ranges.identity import literal_of


class Edge(NamedTuple):
    """Where an operation ends."""

    kind: str
    """`log`, `division` or `root`: the lint that it belongs to."""
    operand: int
    points: tuple[float, ...]
    forward: bool
    """Whether its value is not finite there; else only its derivative."""
    below: bool = False
    """Whether value and derivative are NaN beyond the point."""


_EDGES: Mapping[str, Edge] = MappingProxyType(
    {
        "log": Edge("log", 0, (0.0,), True),
        "log1p": Edge("log", 0, (-1.0,), True),
        "atanh": Edge("log", 0, (-1.0, 1.0), True),
        "erf_inv": Edge("log", 0, (-1.0, 1.0), True),
        "div": Edge("division", 1, (0.0,), True),
        "rsqrt": Edge("division", 0, (0.0,), True, below=True),
        "sqrt": Edge("root", 0, (0.0,), False, below=True),
        "cbrt": Edge("root", 0, (0.0,), False),
        "acos": Edge("root", 0, (-1.0, 1.0), False, below=True),
        "asin": Edge("root", 0, (-1.0, 1.0), False, below=True),
        "acosh": Edge("root", 0, (1.0,), False, below=True),
    }
)


def edge_of(graph: Graph, step: Step) -> Edge | None:
    """Where an equation is not finite, or has no finite derivative; None if nowhere."""
    name = step.equation.primitive
    if not step.results or not is_inexact(graph.avals[step.results[0]]):
        return None
    if name == "integer_pow" and names.exponent(step.equation.raw) < 0:
        return Edge("division", 0, (0.0,), True)
    if name == "pow":
        power = literal_of(graph, step, 1)
        if power is None or power == int(power) >= 0 or power > 1:
            return None
        if power < 0:
            return Edge("division", 0, (0.0,), True, below=True)
        return Edge("root", 0, (0.0,), False, below=True)
    return _EDGES.get(name)
