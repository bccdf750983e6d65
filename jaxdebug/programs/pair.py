"""A program run in its own precision and in float64 at once, value beside value.

What is inexact is a `Pair`: the array as the program computes it, and the float64
one. What is not (a comparison, an index, a bit pattern) is one array, the native
one: the wide side takes the native side's decisions, so that the difference of the
two sides is rounding alone. Where float64 would have decided otherwise is known at
every equation: see `flipped`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxdebug.programs._jax import dtypes
from jaxdebug.programs.decisions import SAMPLERS, imposed
from jaxdebug.programs.equation import Equation
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.program import Program, transform
from jaxdebug.programs.shadow import PRINTS, shadow_tool, widen
from jaxdebug.programs.tool import Accumulator, Tool, Value

Evaluate = Callable[[Equation, Sequence[Any]], list[Any]]


class Pair(NamedTuple):
    """One inexact array of a program, in both precisions."""

    native: Any
    wide: Any


def native_of(value: Value) -> Any:
    """The array as the program computes it."""
    return value.native if isinstance(value, Pair) else value


def wide_of(value: Value) -> Any:
    """The float64 array; of what is not inexact, the native one."""
    return value.wide if isinstance(value, Pair) else value


def paired(array: Any) -> Value:
    """The value that stands for an array that is exact on both sides."""
    return Pair(array, widen(array)) if is_inexact(jax.typeof(array)) else array


def paired_aval(aval: Any) -> Any:
    """The avals of the value that stands for an array of this aval."""
    return Pair(aval, dtypes.wide_aval(aval)) if is_inexact(aval) else aval


class Both(NamedTuple):
    """What runs a program in both precisions."""

    tool: Tool
    evaluate: Evaluate
    """Runs one equation in float64, on wide operands."""


def both_precisions(
    ran_native: dict[str, float],
    x64: bool,
    visit: Callable[[Evaluate], Any] | None = None,
    accumulate: Accumulator | None = None,
) -> Both:
    """The tool whose values are pairs.

    The native side is bound exactly as it was traced. On the wide side, integers,
    booleans, sorting orders and what rounding to whole numbers gave are those of
    the native side.

    Args:
        ran_native: receives the names of primitives that ran in their native dtype
            on the wide side too.
        x64: whether the program was traced with 64 bits enabled.
        visit: makes a visitor from what runs an equation in float64; by default
            nothing is visited.
        accumulate: how the visitor's records add up.

    Cost:
        The native program and once the same in float64.
    """
    shadow = shadow_tool(ran_native, x64)
    evaluate = shadow.foreign

    def foreign(equation: Equation, operands: Sequence[Value]) -> list[Value]:
        if equation.primitive in PRINTS:
            return []
        native = equation.bind([*map(native_of, operands)])
        if not any(is_inexact(jax.typeof(array)) for array in native):
            return list(native)
        if equation.primitive in SAMPLERS:
            return [paired(array) for array in native]
        wide = imposed(
            equation,
            [*map(native_of, operands)],
            [*map(wide_of, operands)],
            native,
            evaluate,
        )
        return [
            Pair(n, w) if is_inexact(jax.typeof(n)) else n
            for n, w in zip(native, wide, strict=True)
        ]

    def lift(array: Any) -> Value:
        with shadow.tracing():  # a Python number has the dtype it was traced with
            native = (
                jnp.asarray(array)
                if isinstance(array, complex | float | int)
                else array
            )
        return paired(native)

    tool = shadow._replace(foreign=foreign, lift=lift, native=native_of)
    if visit is not None:
        tool = tool._replace(visit=visit(evaluate))
    if accumulate is not None:
        tool = tool._replace(accumulate=accumulate)
    return Both(tool, evaluate)


def flipped(
    equation: Equation,
    operands: Sequence[Value],
    results: Sequence[Value],
    evaluate: Evaluate,
) -> Array:
    """How many elements float64 would have decided otherwise, at one equation."""
    own = evaluate(equation, [*map(wide_of, operands)])
    count = jnp.zeros((), jnp.int64)
    for found, result in zip(own, results, strict=True):
        taken = wide_of(result)
        differs = (found != taken) & ~((found != found) & (taken != taken))
        count = count + jnp.sum(differs, dtype=jnp.int64)
    return count


def with_native_decisions(
    program: Program,
) -> Callable[[Sequence[Any]], list[tuple[Any, Any]]]:
    """Each flat output as the program computes it, and in float64.

    The float64 side takes the program's own decisions: the two differ by rounding
    alone. For use inside a trace with float64.

    Args:
        program: the traced function.

    Cost:
        The native program and once the same in float64.
    """
    with jax.enable_x64(True):
        avals = [paired_aval(aval) for aval in program.jaxpr.in_avals]
        tool = both_precisions({}, program.x64).tool
        transformed = transform(program, tool, avals=avals)

    def run(leaves: Sequence[Any]) -> list[tuple[Any, Any]]:
        values = [
            paired(leaf.astype(aval.dtype)) if is_inexact(aval) else leaf
            for leaf, aval in zip(leaves, program.jaxpr.in_avals, strict=True)
        ]
        results, _ = transformed(jax.tree.leaves(values))
        return [(native_of(each), wide_of(each)) for each in results]

    return run


def relative_gap(found: Any, wide: Any) -> Array:
    """Norm of the difference for each unit of the norm; 0 if there is none."""
    gap = jnp.linalg.norm((found - wide).reshape(-1))
    return jnp.where(gap > 0, gap / jnp.linalg.norm(wide.reshape(-1)), gap)
