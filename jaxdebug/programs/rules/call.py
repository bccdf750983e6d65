"""Calls with one body and no per-array parameters: closed_call, remat, composite.

remat keeps its policy and its flag that says it runs in the backward pass:
records leave the body as further results, so what is saved does not change.
"""

from __future__ import annotations

import jax

from jaxdebug.programs._jax import calls
from jaxdebug.programs.equation import Equation
from jaxdebug.programs.rules.rule import Body, Rule, Run, avals, plain_body, retrace
from jaxdebug.programs.tool import Outcome, Tool, Value


def _bodies(equation: Equation) -> tuple[Body, ...]:
    return (plain_body(calls.view_call(equation.raw).body),)


def _apply(equation: Equation, operands: list[Value], tool: Tool, run: Run) -> Outcome:
    view = calls.view_call(equation.raw)
    body = retrace(
        lambda *values: run(view.body, values, equation.inside(0)),
        avals(operands),
        like=view.body,
    )
    return body.unflatten(view.bind(body.jaxpr, jax.tree.leaves(operands)))


CALL = Rule(_bodies, _apply)
