"""while: records are added up in the carry.

The predicate is run under the tool for its value only. What happens inside it
is not recorded: its results never leave the loop.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxdebug.programs._jax import control
from jaxdebug.programs.equation import Equation
from jaxdebug.programs.rules.rule import Body, Rule, Run, add_records, avals, retrace
from jaxdebug.programs.tool import Outcome, Tool, Value


def _bodies(equation: Equation) -> tuple[Body, ...]:
    view = control.view_while(equation.raw)
    carry = len(view.body.jaxpr.outvars)
    first = view.predicate_constants + view.body_constants
    carried = tuple(range(first, first + carry))
    body_constants = tuple(range(view.predicate_constants, first))
    return (
        Body(
            view.body,
            (*body_constants, *carried),
            tuple(range(carry)),
            tuple((index, view.body_constants + index) for index in range(carry)),
        ),
        Body(
            view.predicate,
            (*range(view.predicate_constants), *carried),
            (None,),
        ),
    )


def _apply(equation: Equation, operands: list[Value], tool: Tool, run: Run) -> Outcome:
    view = control.view_while(equation.raw)
    first = view.predicate_constants + view.body_constants
    tests = operands[: view.predicate_constants]
    fixed = operands[view.predicate_constants : first]
    carry = operands[first:]

    def body(*values: Value) -> Outcome:
        return run(view.body, values, equation.inside(0))

    probe = retrace(body, (*avals(fixed), *avals(carry)), like=view.body)
    _, records = probe.structs
    start = (jnp.int32(0), [tool.accumulate.empty(each) for each in records.values()])

    def merging(*values: Value) -> Outcome:
        mine, (count, totals), moving = (
            values[: len(fixed)],
            values[len(fixed)],
            values[len(fixed) + 1 :],
        )
        results, made = body(*mine, *moving)
        totals = add_records(tool, totals, [made[name] for name in records], count)
        return [(count + 1, totals), *results], {}

    def predicate(*values: Value) -> Outcome:
        mine, moving = values[: len(tests)], values[len(tests) :]
        if records:
            moving = moving[1:]
        results, _ = run(view.predicate, [*mine, *moving], equation.inside(1))
        return [tool.native(results[0])], {}

    state = [start, *carry] if records else carry
    merged = (
        retrace(merging, (*avals(fixed), *avals(state)), like=view.body)
        if records
        else probe
    )
    results, _ = merged.unflatten(
        view.bind(
            retrace(
                predicate, (*avals(tests), *avals(state)), like=view.predicate
            ).jaxpr,
            merged.jaxpr,
            jax.tree.leaves([*tests, *fixed, *state]),
            predicate_constants=len(jax.tree.leaves(tests)),
            body_constants=len(jax.tree.leaves(fixed)),
        )
    )
    if not records:
        return results, {}
    (_, totals), results = results[0], results[1:]
    return results, dict(zip(records, totals, strict=True))


WHILE = Rule(_bodies, _apply)
