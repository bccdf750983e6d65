"""Programs whose host callbacks receive float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxdebug.programs._jax import ir
from jaxdebug.programs._jax.callbacks import (
    CALLBACKS,
    bind_wide_callback,
    is_wide_callback,
)
from jaxdebug.programs.equation import Equation
from jaxdebug.programs.program import trace, transform
from jaxdebug.programs.tool import Tool, Value


def calls_host(jaxpr: ir.ClosedJaxpr) -> bool:
    """Whether a function on the host is called anywhere in it."""
    return any(
        equation.primitive.name in CALLBACKS
        or any(map(calls_host, ir.nested_jaxprs(equation)))
        for equation in jaxpr.jaxpr.eqns
    )


def with_wide_callbacks(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose callbacks receive 64-bit numbers as such; to be jitted."""

    def foreign(equation: Equation, operands: Sequence[Value]) -> list[Value]:
        if is_wide_callback(equation.raw):
            return bind_wide_callback(equation.raw, operands)
        return equation.bind(operands)

    tool = Tool(
        visit=lambda equation, operands, proceed: proceed(equation, operands),
        foreign=foreign,
    )

    def run(*args: Any) -> Any:
        program = trace(function, *args)
        results, _ = transform(program, tool)(jax.tree.leaves(args))
        return jax.tree.unflatten(program.out_tree, results)

    return run
