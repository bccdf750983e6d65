"""The one loop that runs a traced program under a tool.

Every equation runs under its own name stack, traceback and configuration; marks
are left out, a visitor sees them as equations that return their operand; and
values that nothing reads any more are dropped, so that an interpreted program
uses the memory of the original.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxdebug.programs._jax import ir, source
from jaxdebug.programs.equation import TOP, Equation, Level
from jaxdebug.programs.markers import mark_of
from jaxdebug.programs.rules.table import DEFAULT_RULES, RuleTable
from jaxdebug.programs.tool import Outcome, Records, Tool, Value


def interpret(
    jaxpr: ir.ClosedJaxpr,
    operands: Sequence[Value],
    tool: Tool,
    *,
    level: Level = TOP,
    rules: RuleTable = DEFAULT_RULES,
) -> Outcome:
    """Run a jaxpr on values under a tool.

    Args:
        jaxpr: the closed jaxpr.
        operands: one value for each input.
        tool: the visitor and how its records add up.
        level: where the jaxpr stands in the program.
        rules: what to do with primitives that have bodies.

    Returns:
        One value for each output, and the records by name.
    """

    def run(jaxpr: ir.ClosedJaxpr, values: Sequence[Value], level: Level) -> Outcome:
        return interpret(jaxpr, values, tool, level=level, rules=rules)

    def proceed(equation: Equation, values: list[Value]) -> Outcome:
        if mark_of(equation.raw) is not None:
            return values, {}  # marks end here: the value itself goes on
        rule = rules.get(equation.primitive)
        if rule is not None and tool.enters(equation):
            return rule.apply(equation, values, tool, run)
        return tool.foreign(equation, values), {}

    open_jaxpr = jaxpr.jaxpr
    last = ir.last_uses(open_jaxpr)
    values: dict[ir.Var, Value] = {}
    values.update(zip(open_jaxpr.constvars, map(tool.lift, jaxpr.consts), strict=True))
    values.update(zip(open_jaxpr.invars, operands, strict=True))
    records: Records = {}

    def read(atom: Any) -> Value:
        if isinstance(atom, ir.Literal):
            return tool.lift(ir.literal_value(atom))
        return values[atom]

    for index, raw in enumerate(open_jaxpr.eqns):
        equation = level.equation(index, raw)
        with source.context_of(raw):
            results, made = tool.visit(equation, [*map(read, raw.invars)], proceed)
        records.update(made)
        values.update(zip(raw.outvars, results, strict=True))
        for atom in (*raw.invars, *raw.outvars):
            if not isinstance(atom, ir.Literal) and last.get(atom, -1) <= index:
                values.pop(atom, None)
    outputs = [read(atom) for atom in open_jaxpr.outvars]
    return outputs, tool.leave(level, records)
