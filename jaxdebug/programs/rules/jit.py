"""jit: one body, with shardings, layouts and donation for each array."""

from __future__ import annotations

import jax

from jaxdebug.programs._jax import calls
from jaxdebug.programs.equation import Equation
from jaxdebug.programs.rules.rule import (
    Body,
    Rule,
    Run,
    avals,
    leaf_counts,
    plain_body,
    retrace,
)
from jaxdebug.programs.tool import Outcome, Tool, Value


def _bodies(equation: Equation) -> tuple[Body, ...]:
    return (plain_body(calls.view_jit(equation.raw).body),)


def _apply(equation: Equation, operands: list[Value], tool: Tool, run: Run) -> Outcome:
    view = calls.view_jit(equation.raw)
    body = retrace(
        lambda *values: run(view.body, values, equation.inside(0)),
        avals(operands),
        like=view.body,
    )
    results, records = body.structs
    leaves = view.bind(
        body.jaxpr,
        jax.tree.leaves(operands),
        inputs=leaf_counts(operands),
        outputs=leaf_counts(results),
        added=len(jax.tree.leaves(list(records.values()))),
    )
    return body.unflatten(leaves)


JIT = Rule(_bodies, _apply)
