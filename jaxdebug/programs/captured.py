"""Arrays that a trace captured: written into the program, not handed in."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxdebug.programs._jax import ir
from jaxdebug.programs._jax.source import Line
from jaxdebug.programs.equation import TOP


class Captured(NamedTuple):
    """One captured array."""

    shape: tuple[int, ...]
    dtype: str
    bytes: int
    line: Line | None
    """Where the program first reads it."""


def captured_arrays(jaxpr: ir.ClosedJaxpr) -> list[Captured]:
    """The arrays that a program captured, those of jitted functions in it too."""
    found: dict[int, Captured] = {}
    _collect(jaxpr, TOP, found)
    return list(found.values())


def _collect(jaxpr: ir.ClosedJaxpr, level: Any, found: dict[int, Captured]) -> None:
    constants = dict(zip(jaxpr.jaxpr.constvars, jaxpr.consts, strict=True))
    for index, raw in enumerate(jaxpr.jaxpr.eqns):
        equation = level.equation(index, raw)
        for atom in raw.invars:
            array = None if isinstance(atom, ir.Literal) else constants.get(atom)
            if array is not None and hasattr(array, "nbytes"):
                found.setdefault(
                    id(array),
                    Captured(
                        tuple(array.shape),
                        str(array.dtype),
                        int(array.nbytes),
                        equation.line,
                    ),
                )
        for body, inner in enumerate(ir.nested_jaxprs(raw)):
            _collect(inner, equation.inside(body), found)
