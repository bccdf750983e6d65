"""The program under a tool that measures what rounding does at every equation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdebug.programs.decisions import is_decision
from jaxdebug.programs.equation import Address, Equation
from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.pair import (
    Evaluate,
    Pair,
    both_precisions,
    flipped,
    native_of,
    paired,
    paired_aval,
    wide_of,
)
from jaxdebug.programs.places import Place, is_inexact
from jaxdebug.programs.primitives import CONTRACTIONS, SUMS
from jaxdebug.programs.program import Program, transform
from jaxdebug.programs.shadow import widen
from jaxdebug.programs.tool import Accumulator, Outcome, Proceed, Record, Records, Value
from jaxdebug.statistics import rounding
from jaxdebug.statistics.rounding import Parts, Rounding

_PASSIVE = """
    broadcast_in_dim copy copy_p expand_dims imag neg optimization_barrier real reshape
    rev squeeze stop_gradient transpose
"""
PASSIVE = frozenset(_PASSIVE.split())
"""They hand on the elements of one array: nothing is rounded."""

REDUCING_SUMS = frozenset(
    {"cumsum", "psum", "reduce_sum", "reduce_window_sum", "scatter-add", "scatter_add"}
)

ADDING = SUMS | REDUCING_SUMS | CONTRACTIONS
"""They add up: what they add may cancel."""


class Flips(NamedTuple):
    """Name of the number of elements that float64 would have decided otherwise."""

    address: Address


class MeasuredRounding(NamedTuple):
    """A program that measures rounding."""

    run: Callable[[Sequence[Any]], tuple[list[Value], list[Record]]]
    """Of the native flat arguments: pairs of results, and records."""
    names: tuple[Hashable, ...]
    """What each record is of: a `Place`, `Flips`, or the index of a result."""
    ran_native: tuple[str, ...]
    constants: list[Any]


def measured_rounding(
    program: Program, graph: Graph, places: Iterable[Place]
) -> MeasuredRounding:
    """Make the program, inside which every equation that rounds is measured.

    Args:
        program: the traced function.
        graph: the flow of it.
        places: further arrays to measure, of layers.

    Cost:
        The native program, twice the same in float64, and one pass over every array
        that is measured.
    """
    measured = {step.address for step in graph.steps if rounds(step)}
    deciding = {
        step.address
        for step in graph.steps
        if not step.opened and is_decision(step.equation)
    }
    named: dict[Address, set[Place]] = defaultdict(set)
    for place in places:
        if place.operand or place.address not in measured:
            named[place.address].add(place)

    def visitor(evaluate: Evaluate) -> Any:
        def visit(
            equation: Equation,
            operands: list[Value],
            proceed: Proceed,
        ) -> Outcome:
            results, records = proceed(equation, operands)
            address, made = equation.address, Records()
            for place in sorted(named.get(address, ())):
                value = place.of(operands, results)
                if isinstance(value, Pair):
                    made[place] = rounding.rounding(
                        value.native, value.wide, widen(value.native)
                    )
            if address in measured:
                made.update(_measure(equation, operands, results, evaluate))
            if address in deciding:
                found = flipped(equation, operands, results, evaluate)
                made[Flips(address)] = found
            return results, {**records, **made}

        return visit

    def end(_: Any, results: Sequence[Value]) -> Records:
        return {
            index: rounding.rounding(value.native, value.wide, value.wide)
            for index, value in enumerate(results)
            if isinstance(value, Pair)
        }

    native: dict[str, float] = {}
    tool = both_precisions(
        native,
        program.x64,
        visitor,
        Accumulator(_empty, _combine, lambda length: False),
    ).tool
    with jax.enable_x64(True):
        avals = [paired_aval(aval) for aval in program.jaxpr.in_avals]
        transformed = transform(program, tool, avals=avals, end=end)

    def run(leaves: Sequence[Any]) -> tuple[list[Value], list[Record]]:
        results, records = transformed(jax.tree.leaves([*map(paired, leaves)]))
        return results, list(records.values())

    return MeasuredRounding(
        run, transformed.names, tuple(native), list(transformed.jaxpr.consts)
    )


def rounds(step: Step) -> bool:
    """Whether what an equation makes is measured."""
    raw = step.equation.raw
    return (
        not step.opened
        and step.equation.primitive not in PASSIVE
        and any(is_inexact(var.aval) for var in raw.outvars)
    )


def _measure(
    equation: Equation,
    operands: Sequence[Value],
    results: Sequence[Value],
    evaluate: Evaluate,
) -> Records:
    """What is made and inherited by the results of one equation."""
    held = [widen(native_of(value)) for value in operands]
    # What is decided, and what cannot be run again, has no reference of its own.
    if is_decision(equation) or not any(isinstance(v, Pair) for v in results):
        references = [widen(native_of(value)) for value in results]
    else:
        references = evaluate(equation, held)
    parts = _parts(equation, operands, evaluate)
    return {
        Place(equation.address, index): rounding.rounding(
            value.native, value.wide, reference, parts
        )
        for index, (value, reference) in enumerate(
            zip(results, references, strict=True)
        )
        if isinstance(value, Pair)
    }


def _parts(equation: Equation, operands: Sequence[Value], evaluate: Evaluate) -> Parts:
    """Magnitudes of what an equation adds up, and the error its operands bring."""
    name = equation.primitive
    wide = [wide_of(value) for value in operands]
    if name in CONTRACTIONS:
        # Cauchy and Schwarz: no second product has to be made.
        norms = [jnp.linalg.norm(each.reshape(-1)) for each in wide[:2]]
        return Parts(norm=norms[0] * norms[1])
    if name in SUMS or name in ("mul", "div"):
        shape = getattr(equation.raw.outvars[0].aval, "shape", ())
        errors = [jnp.abs(widen(native_of(v)) - wide_of(v)) for v in operands]
        if name in SUMS:
            size = jnp.abs(wide[0]) + jnp.abs(wide[1])
            return Parts(
                _to(shape, size), None, (_to(shape, errors[0]), _to(shape, errors[1]))
            )
        factors = wide[1], wide[0]
        if name == "div":
            factors = 1 / wide[1], wide[0] / wide[1] ** 2
        brought = [e * jnp.abs(f) for e, f in zip(errors, factors, strict=True)]
        return Parts(brought=(_to(shape, brought[0]), _to(shape, brought[1])))
    if name in REDUCING_SUMS:
        sizes = [
            jnp.abs(each).astype(each.dtype) if isinstance(value, Pair) else each
            for value, each in zip(operands, wide, strict=True)
        ]
        return Parts(jnp.abs(evaluate(equation, sizes)[0]))
    return Parts()


def _to(shape: tuple[int, ...], array: Any) -> Any:
    """Of the result's shape: a literal operand has none of its own."""
    return jnp.broadcast_to(array, shape)


def _empty(struct: Any) -> Any:
    if isinstance(struct, Rounding):
        return rounding.empty(struct)
    return jnp.zeros(struct.shape, struct.dtype)


def _combine(total: Any, record: Any, index: Any) -> Any:
    if isinstance(total, Rounding):
        return rounding.combine(total, record, index)
    return total + record
