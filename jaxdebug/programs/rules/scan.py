"""scan: constants, a carry, and rows that come in and go out.

Records of short scans leave as one row for each iteration. Those of long scans
are added up in the carry, which costs no memory that grows with the length.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxdebug.programs._jax import control, ir
from jaxdebug.programs.equation import Equation
from jaxdebug.programs.markers import without_repeats
from jaxdebug.programs.rules.rule import Body, Rule, Run, add_records, avals, retrace
from jaxdebug.programs.tool import Outcome, Tool, Value


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

    # Where a mark is left out, what a derivative saved of an array under two names
    # is one array again, and must not be stacked twice.
    first = without_repeats(view.body, view.carry)
    kept = sorted({*first})

    def body(*values: Value) -> Outcome:
        results, made = run(view.body, values, level)
        return [results[index] for index in kept], made

    def every(results: list[Value]) -> list[Value]:
        found = dict(zip(kept, results, strict=True))
        return [found[index] for index in first]

    structs = (*avals(constants), *avals(carry), *row_avals)
    plain = retrace(body, structs, like=view.body)
    _, records = plain.structs
    if not records or tool.accumulate.rows(view.length):
        results, made = plain.unflatten(
            view.bind(
                plain.jaxpr,
                jax.tree.leaves(operands),
                constants=len(jax.tree.leaves(constants)),
                carry=len(jax.tree.leaves(carry)),
            )
        )
        return every(results), made

    start = (jnp.int32(0), [tool.accumulate.empty(each) for each in records.values()])

    def merging(*values: Value) -> Outcome:
        fixed, moving = values[: view.constants], values[view.constants :]
        (count, totals), moving = moving[0], moving[1:]
        results, made = body(*fixed, *moving)
        totals = add_records(tool, totals, [made[name] for name in records], count)
        return [(count + 1, totals), *results], {}

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
    return every(results), dict(zip(records, totals, strict=True))


SCAN = Rule(_bodies, _apply)
