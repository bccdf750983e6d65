"""scan: constants, a carry, and rows that come in and go out.

Records of short scans leave as one row for each iteration. Those of long scans
are added up in the carry, which costs no memory that grows with the length.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxdebug.programs._jax import control, ir
from jaxdebug.programs.equation import Equation
from jaxdebug.programs.rules.rule import Body, Rule, Run, avals, retrace
from jaxdebug.programs.tool import Outcome, Records, Tool, Value


def _bodies(equation: Equation) -> tuple[Body, ...]:
    view = control.view_scan(equation.raw)
    return (
        Body(
            view.body,
            tuple(range(len(view.body.jaxpr.invars))),
            tuple(range(len(view.body.jaxpr.outvars))),
            tuple((index, view.constants + index) for index in range(view.carry)),
        ),
    )


def _apply(equation: Equation, operands: list[Value], tool: Tool, run: Run) -> Outcome:
    view = control.view_scan(equation.raw)
    level = equation.inside(0)
    constants = operands[: view.constants]
    carry = operands[view.constants : view.constants + view.carry]
    rows = operands[view.constants + view.carry :]
    row_avals = jax.tree.map(lambda aval: ir.element(aval, view.length), avals(rows))

    def body(*values: Value) -> Outcome:
        return run(view.body, values, level)

    structs = (*avals(constants), *avals(carry), *row_avals)
    plain = retrace(body, structs, like=view.body)
    _, records = plain.structs
    if not records or tool.accumulate.rows(view.length):
        return plain.unflatten(
            view.bind(
                plain.jaxpr,
                jax.tree.leaves(operands),
                constants=len(jax.tree.leaves(constants)),
                carry=len(jax.tree.leaves(carry)),
            )
        )

    start = (jnp.int32(0), {k: tool.accumulate.empty(v) for k, v in records.items()})

    def merging(*values: Value) -> Outcome:
        fixed, moving = values[: view.constants], values[view.constants :]
        (count, totals), moving = moving[0], moving[1:]
        results, made = body(*fixed, *moving)
        count, totals = _add(tool, (count, totals), made)
        return [(count, totals), *results], {}

    merged = retrace(
        merging,
        (*avals(constants), avals(start), *avals(carry), *row_avals),
        like=view.body,
    )
    inputs = [*constants, start, *carry, *rows]
    results, _ = merged.unflatten(
        view.bind(
            merged.jaxpr,
            jax.tree.leaves(inputs),
            constants=len(jax.tree.leaves(constants)),
            carry=len(jax.tree.leaves((start, carry))),
        )
    )
    (_, totals), results = results[0], results[1:]
    return results, totals


def _add(tool: Tool, state: tuple[Any, Records], made: Records) -> tuple[Any, Records]:
    """One more iteration's records, added to those before."""
    count, totals = state
    combine = tool.accumulate.combine
    return count + 1, {k: combine(v, made[k], count) for k, v in totals.items()}


SCAN = Rule(_bodies, _apply)
