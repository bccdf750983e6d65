"""while: records are added up in the carry.

The predicate is run under the tool for its value only. What happens inside it
is not recorded: its results never leave the loop. Under vmap a loop goes on until
its last element is done, and records are of all elements, those done too.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

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

    def goes_on(tests: Sequence[Value], moving: Sequence[Value]) -> Any:
        results, _ = run(view.predicate, [*tests, *moving], equation.inside(1))
        return tool.native(results[0])

    probe = retrace(body, (*avals(fixed), *avals(carry)), like=view.body)
    _, records = probe.structs
    start = (jnp.int32(0), [tool.accumulate.empty(each) for each in records.values()])
    # A loop under vmap has a predicate for each element, and then wants the whole
    # carry to have one entry for each: what is added up has none.
    each_for_itself = bool(records) and bool(view.predicate.out_avals[0].shape)
    if each_for_itself:
        fixed = [*tests, *fixed]

    def merging(*values: Value) -> Outcome:
        mine, (count, totals), moving = (
            values[: len(fixed)],
            values[len(fixed)],
            values[len(fixed) + 1 :],
        )
        others = mine[len(tests) :] if each_for_itself else mine
        results, made = body(*others, *moving)
        if each_for_itself:
            select = partial(_selected, goes_on(mine[: len(tests)], moving))
            results = jax.tree.map(select, results, list(moving))
        totals = add_records(tool, totals, [made[name] for name in records], count)
        return [(count + 1, totals), *results], {}

    def predicate(*values: Value) -> Outcome:
        mine, moving = values[: len(tests)], values[len(tests) :]
        if records:
            moving = moving[1:]
        go = goes_on(mine, moving)
        return [jnp.any(go) if each_for_itself else go], {}

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


def _selected(go: Any, new: Any, old: Any) -> Any:
    """What an element has after one more iteration, if it took part in it."""
    lead = go.reshape(go.shape + (1,) * (new.ndim - go.ndim))
    return lax.select(jnp.broadcast_to(lead, new.shape), new, old)


WHILE = Rule(_bodies, _apply)
