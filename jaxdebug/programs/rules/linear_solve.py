"""custom_linear_solve: the solver is recorded, the operators only follow.

Records leave the solver as auxiliary results, which JAX gives zero tangents.
"""

from __future__ import annotations

from collections.abc import Callable

import jax

from jaxdebug.programs._jax import calls, ir
from jaxdebug.programs.equation import Equation
from jaxdebug.programs.rules.rule import (
    Body,
    Retraced,
    Rule,
    Run,
    avals,
    retrace,
)
from jaxdebug.programs.tool import Outcome, Tool, Value


def _starts(view: calls.LinearSolve) -> dict[str, int]:
    """Where each body's constants begin among the operands."""
    starts, position = {}, 0
    for name, count in view.constants.items():
        starts[name] = position
        position += count
    return starts


def _bodies(equation: Equation) -> tuple[Body, ...]:
    view = calls.view_linear_solve(equation.raw)
    first = sum(view.constants.values())
    vector = tuple(range(first, len(equation.raw.invars)))
    bodies = []
    for name, body in view.bodies.items():
        if body is None:
            continue
        start = _starts(view)[name]
        outputs = len(body.jaxpr.outvars)
        own = tuple(range(start, start + view.constants[name]))
        results = tuple(range(outputs)) if name == "solve" else (None,) * outputs
        bodies.append(Body(body, (*own, *vector), results))
    return tuple(bodies)


def _apply(equation: Equation, operands: list[Value], tool: Tool, run: Run) -> Outcome:
    view = calls.view_linear_solve(equation.raw)
    vector = operands[sum(view.constants.values()) :]
    retraced: dict[str, Retraced] = {}
    present = [name for name, body in view.bodies.items() if body is not None]
    for index, name in enumerate(present):
        start = _starts(view)[name]
        own = operands[start : start + view.constants[name]]
        body = view.bodies[name]
        assert body is not None
        retraced[name] = retrace(
            _function(run, body, equation, index, keep=name == "solve"),
            avals([*own, *vector]),
            like=body,
        )
    counts = {
        name: len(jax.tree.leaves(operands[start : start + view.constants[name]]))
        for name, start in _starts(view).items()
    }
    leaves = view.bind(
        {name: retraced[name].jaxpr if name in retraced else None for name in counts},
        jax.tree.leaves(operands),
        counts,
    )
    return retraced["solve"].unflatten(leaves)


def _function(
    run: Run, body: ir.ClosedJaxpr, equation: Equation, index: int, *, keep: bool
) -> Callable[..., Outcome]:
    def function(*values: Value) -> Outcome:
        results, records = run(body, values, equation.inside(index))
        return results, records if keep else {}

    return function


LINEAR_SOLVE = Rule(_bodies, _apply)
