"""One equation of a traced program, and where in the program it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jaxdebug.programs._jax import ir, source
from jaxdebug.programs.scopes import module_around

Address = tuple[int, ...]
"""Index of the equation, then for each enclosing level outside in:
equation index, body index, equation index, ..."""


CUSTOM_RULES = frozenset({"custom_jvp_call", "custom_vjp_call"})
"""Primitives of functions with a derivative rule of their own."""


@dataclass(frozen=True, eq=False)
class Equation:
    """An equation together with the equations that enclose it, outermost first."""

    raw: ir.JaxprEqn
    address: Address
    enclosing: tuple[Equation, ...] = ()

    @property
    def primitive(self) -> str:
        """Name of the primitive."""
        return self.raw.primitive.name

    @cached_property
    def stack(self) -> tuple[source.Scope, ...]:
        """The whole name stack: of the enclosing equations, then its own."""
        own = source.name_stack(self.raw)
        if not self.enclosing:
            return own
        around = self.enclosing[-1]
        if around.primitive in CUSTOM_RULES:
            # In a differentiated loop, JAX 0.12 repeats the rule's scopes in its body.
            again = source.name_stack(around.raw)
            own = own[len(again) :] if own[: len(again)] == again else own
        return around.stack + own

    @property
    def module(self) -> str:
        """Path of the module around it that is known by no layer; or ""."""
        return module_around(self.stack)

    @cached_property
    def line(self) -> source.Line | None:
        """The user's line: of this equation, else of the nearest that encloses it."""
        own = source.users_line(self.raw)
        if own is None and self.enclosing:
            return self.enclosing[-1].line
        return own

    def bind(self, operands: Sequence[Any]) -> list[Any]:
        """Run the primitive on arrays, every parameter as it was traced."""
        return ir.bind(self.raw, operands)

    def inside(self, body: int) -> Level:
        """Where the equations of one of its bodies stand."""
        return Level((*self.address, body), (*self.enclosing, self))


@dataclass(frozen=True, eq=False)
class Level:
    """A jaxpr's place: the top of a program, or a body of an equation."""

    address: Address = ()
    enclosing: tuple[Equation, ...] = ()

    def equation(self, index: int, raw: ir.JaxprEqn) -> Equation:
        """The equation of that index at this level."""
        return Equation(raw, (*self.address, index), self.enclosing)


TOP = Level()
