"""cond and switch: the records of every branch leave; of those not taken, empty."""

from __future__ import annotations

from typing import Any

import jax

from jaxdebug.programs._jax import control, ir
from jaxdebug.programs.equation import Equation
from jaxdebug.programs.rules.rule import Body, Rule, Run, avals, retrace
from jaxdebug.programs.tool import Outcome, Records, Tool, Value


def _bodies(equation: Equation) -> tuple[Body, ...]:
    return tuple(
        Body(
            branch,
            tuple(range(1, len(branch.jaxpr.invars) + 1)),
            tuple(range(len(branch.jaxpr.outvars))),
        )
        for branch in control.view_cond(equation.raw).branches
    )


def _apply(equation: Equation, operands: list[Value], tool: Tool, run: Run) -> Outcome:
    view = control.view_cond(equation.raw)
    choice, passed = operands[0], operands[1:]
    structs = avals(passed)

    def taken(index: int, branch: ir.ClosedJaxpr) -> Any:
        return lambda *values: run(branch, values, equation.inside(index))

    branches = [
        retrace(taken(index, branch), structs, like=branch)
        for index, branch in enumerate(view.branches)
    ]
    every: Records = {}
    for branch in branches:
        every.update(branch.structs[1])
    if every:
        branches = [
            retrace(_filled(tool, every, taken(index, branch)), structs, like=branch)
            for index, branch in enumerate(view.branches)
        ]
    leaves = view.bind(
        [branch.jaxpr for branch in branches],
        [tool.native(choice), *jax.tree.leaves(passed)],
    )
    return branches[0].unflatten(leaves)


def _filled(tool: Tool, every: Records, branch: Any) -> Any:
    """The branch with empty records in the place of the other branches' own."""

    def function(*values: Value) -> Outcome:
        results, made = branch(*values)
        return results, {
            name: made[name] if name in made else tool.accumulate.empty(record)
            for name, record in every.items()
        }

    return function


COND = Rule(_bodies, _apply)
