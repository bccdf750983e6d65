"""What a site is, and where in a program its array appears."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import jax
import numpy as np

from jaxdebug.programs._jax.source import Line
from jaxdebug.programs.equation import Address
from jaxdebug.programs.scopes import ModulePath

Value = TypeVar("Value")


class Site(NamedTuple):
    """One array of a program under a module's name."""

    path: ModulePath
    kind: str
    """"output", "cotangent", "parameter", "gradient", "state", "input"."""
    index: int
    """Counts the arrays of one path and kind: several outputs, several calls."""
    shape: tuple[int, ...]
    dtype: str
    primitive: str
    line: Line | None

    @property
    def name(self) -> str:
        """The path as the framework spells it."""
        name = "/".join(self.path) or "(top)"
        return f"{name}[{self.index}]" if self.index else name


class Place(NamedTuple):
    """Where in the program a site's array appears: at which equation, as what."""

    address: Address
    index: int
    """Index among the equation's results, or among its operands."""
    operand: bool = False

    def of(self, operands: Sequence[Value], results: Sequence[Value]) -> Value:
        """What stands there, of everything that the equation reads and makes."""
        return (operands if self.operand else results)[self.index]


class Found(NamedTuple):
    """An array that a way of naming layers found: a site to be."""

    path: ModulePath
    kind: str
    index: int
    place: Place
    node: int
    """Of the graph."""
    primitive: str
    line: Line | None


def is_inexact(aval: object) -> bool:
    """Whether an aval is of floating or complex numbers."""
    dtype = getattr(aval, "dtype", None)
    return dtype is not None and jax.dtypes.issubdtype(dtype, np.inexact)
