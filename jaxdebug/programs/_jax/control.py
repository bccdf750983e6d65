"""Typed views of control flow: scan, while, cond."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from jax.extend.core import ClosedJaxpr, JaxprEqn

from jaxdebug.programs._jax.ir import bind, close

try:  # JAX 0.11 replaced the counts of a scan's operands by trees of them
    flattree: Any = importlib.import_module("jax._src.flattree")
except ImportError:  # JAX 0.10
    flattree = None


class Scan(NamedTuple):
    """A scan: operands are constants, then the carry, then the rows."""

    equation: JaxprEqn
    body: ClosedJaxpr
    constants: int
    carry: int
    length: int
    reverse: bool

    def bind(
        self, body: ClosedJaxpr, operands: Sequence[Any], constants: int, carry: int
    ) -> list[Any]:
        """Run it with another body; every other parameter is kept."""
        if flattree is None:
            return bind(
                self.equation,
                operands,
                jaxpr=body,
                num_consts=constants,
                num_carry=carry,
            )
        rows = len(operands) - constants - carry
        stacked = len(body.jaxpr.outvars) - carry
        none = flattree.nones
        return bind(
            self.equation,
            operands,
            jaxpr=body,
            ft_in=flattree.pack((none(constants), none(carry), none(rows))),
            ft_out=flattree.pack((none(carry), none(stacked))),
        )


def view_scan(equation: JaxprEqn) -> Scan:
    params = equation.params
    if flattree is None:
        constants, carry = params["num_consts"], params["num_carry"]
    else:
        constants, carry = (len(part) for part in params["ft_in"].unpack()[:2])
    return Scan(
        equation,
        close(params["jaxpr"]),
        constants,
        carry,
        params["length"],
        params["reverse"],
    )


class While(NamedTuple):
    """A while loop: operands are the predicate's and body's constants, the carry."""

    equation: JaxprEqn
    predicate: ClosedJaxpr
    body: ClosedJaxpr
    predicate_constants: int
    body_constants: int

    def bind(
        self,
        predicate: ClosedJaxpr,
        body: ClosedJaxpr,
        operands: Sequence[Any],
        predicate_constants: int,
        body_constants: int,
    ) -> list[Any]:
        """Run it with another predicate and body."""
        return bind(
            self.equation,
            operands,
            cond_jaxpr=predicate,
            body_jaxpr=body,
            cond_nconsts=predicate_constants,
            body_nconsts=body_constants,
        )


def view_while(equation: JaxprEqn) -> While:
    params = equation.params
    return While(
        equation,
        close(params["cond_jaxpr"]),
        close(params["body_jaxpr"]),
        params["cond_nconsts"],
        params["body_nconsts"],
    )


class Cond(NamedTuple):
    """A cond or switch: the first operand chooses the branch."""

    equation: JaxprEqn
    branches: tuple[ClosedJaxpr, ...]

    def bind(
        self, branches: Sequence[ClosedJaxpr], operands: Sequence[Any]
    ) -> list[Any]:
        """Run it with other branches."""
        return bind(self.equation, operands, branches=tuple(branches))


def view_cond(equation: JaxprEqn) -> Cond:
    return Cond(equation, tuple(close(b) for b in equation.params["branches"]))
