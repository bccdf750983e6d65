"""A tool that returns the arrays themselves at given places of a program."""

from __future__ import annotations

from collections.abc import Iterable

import jax
import jax.numpy as jnp

from jaxdebug.programs.equation import Equation
from jaxdebug.programs.places import Place
from jaxdebug.programs.program import Program, Transformed, transform
from jaxdebug.programs.tool import Accumulator, Outcome, Proceed, Tool, Value


def arrays_at(program: Program, places: Iterable[Place]) -> Transformed:
    """The program, whose records are the arrays at the places.

    A scan gives one row for each iteration; those of a branch not taken are zero;
    those of shards are added up.
    """
    wanted = set(places)

    def visit(
        equation: Equation,
        operands: list[Value],
        proceed: Proceed,
    ) -> Outcome:
        results, records = proceed(equation, operands)
        here = (place for place in wanted if place.address == equation.address)
        made = {place: place.of(operands, results) for place in here}
        return results, {**records, **made}

    accumulate = Accumulator(
        lambda record: jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), record),
        lambda total, record, _: jax.tree.map(jnp.add, total, record),
        lambda length: True,
    )
    return transform(program, Tool(visit, accumulate=accumulate))
