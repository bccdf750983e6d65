"""The float64 function with what it keeps out of its derivative held still.

`jax.lax.stop_gradient` says that an array is a constant to the derivative. A
difference of the function moves it all the same. Here every value is a pair, at
the point itself and at the moved point, and what a stop_gradient hands on is the
former in both: its differences are those of the function that is differentiated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxdebug.programs._jax import dtypes
from jaxdebug.programs.equation import Equation
from jaxdebug.programs.program import Program, transform
from jaxdebug.programs.shadow import shadow_tool
from jaxdebug.programs.tool import Outcome, Proceed, Tool, Value


def frozen_function(
    program: Program,
) -> Callable[[Sequence[Any], Sequence[Any]], list[Any]]:
    """The flat outputs at a moved point, from the flat arguments at both points.

    Args:
        program: of the flat outputs.

    Cost:
        That of the function twice.
    """
    with jax.enable_x64(True):
        avals = [dtypes.wide_aval(aval) for aval in program.jaxpr.in_avals]
        transformed = transform(
            program, _frozen_tool(program.x64), avals=[(aval, aval) for aval in avals]
        )

    def function(still: Sequence[Any], moved: Sequence[Any]) -> list[Any]:
        pairs = zip(still, moved, strict=True)
        results, _ = transformed([leaf for pair in pairs for leaf in pair])
        return [result[1] for result in results]

    return function


def _frozen_tool(x64: bool) -> Tool:
    shadow = shadow_tool({}, x64)

    def visit(
        equation: Equation,
        operands: list[Value],
        proceed: Proceed,
    ) -> Outcome:
        if equation.primitive == "stop_gradient":
            return [(still, still) for still, _ in operands], {}
        return proceed(equation, operands)

    def foreign(equation: Equation, operands: Sequence[Value]) -> list[Value]:
        still = shadow.foreign(equation, [value[0] for value in operands])
        if all(value[0] is value[1] for value in operands):
            return [(result, result) for result in still]
        moved = shadow.foreign(equation, [value[1] for value in operands])
        return list(zip(still, moved, strict=True))

    def lift(array: Any) -> Value:
        wide = shadow.lift(array)
        return (wide, wide)

    return shadow._replace(
        visit=visit, foreign=foreign, lift=lift, native=lambda value: value[1]
    )
