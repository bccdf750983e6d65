"""What the interpreter keeps of a program besides its results.

Primitives, wiring, weak types, plain parameters (shardings, donation, unroll, policy,
names), name stacks, source lines, effects and their order.
"""

from __future__ import annotations

import contextlib
from functools import cache
from typing import Any

import jax
import pytest

from jaxdebug.programs._jax import ir
from jaxdebug.programs.coverage import FOREIGN, is_region, unseen
from jaxdebug.programs.graph import build_graph
from jaxdebug.programs.interpreter import interpret
from jaxdebug.programs.program import Program, trace, transform
from jaxdebug.programs.rules.table import DEFAULT_RULES, RuleTable
from jaxdebug.programs.tool import IDENTITY, Tool
from tests.programs.array_programs import debug_callback
from tests.programs.control_programs import jit_nested
from tests.programs.grid import GRID, X, cases
from tests.programs.same_program import differences
from tests.programs.transformations import TRANSFORMATIONS

TRACED = ("plain", "grad", "around")


@cache
def traced(name: str, transformation: str) -> Program:
    entry = GRID[name]
    function = TRANSFORMATIONS[transformation](entry.function, lambda f: f)
    return trace(function, *entry.args)


@pytest.mark.parametrize(("name", "transformation"), cases(TRACED))
def test_interpreting_gives_the_same_jaxpr(name: str, transformation: str) -> None:
    program = traced(name, transformation)
    again = transform(program, IDENTITY)
    assert not differences(program.jaxpr, again.jaxpr)


@pytest.mark.parametrize(("name", "transformation"), cases(TRACED))
def test_every_primitive_with_a_body_is_seen_into_or_named(
    name: str, transformation: str
) -> None:
    graph = build_graph(traced(name, transformation).jaxpr)
    named = {part.primitive for part in unseen(graph)}
    for step in graph.steps:
        primitive = step.equation.primitive
        if primitive in FOREIGN or any(ir.nested_jaxprs(step.equation.raw)):
            assert step.opened or is_region(primitive) or primitive in named


@pytest.mark.parametrize("primitive", sorted(DEFAULT_RULES))
def test_a_primitive_without_its_rule_is_opaque_and_still_runs(primitive: str) -> None:
    """Take the rule away: the equation runs as it was traced, and is named."""
    rules = RuleTable({k: v for k, v in DEFAULT_RULES.items() if k != primitive})
    for name, transformation in cases(("plain", "grad")):
        program = traced(name, transformation)
        graph = build_graph(program.jaxpr)
        if all(step.equation.primitive != primitive for step in graph.steps):
            continue
        opaque = unseen(build_graph(program.jaxpr, rules))
        assert primitive in {part.primitive for part in opaque}
        again = transform(program, IDENTITY, rules=rules)
        assert not differences(program.jaxpr, again.jaxpr)
        return
    assert primitive in NOT_ON_EVERY_VERSION


NOT_ON_EVERY_VERSION = {
    "checkpoint",
    "remat2",
    "core_call",
    "closed_call",
    "eval_jaxpr",
}
"""One primitive has another name on another JAX."""


def _losing(what: str) -> Tool:
    """A tool that runs every equation, but not as it was traced."""

    def visit(equation: Any, operands: Any, proceed: Any) -> Any:
        context: Any = contextlib.nullcontext()
        if what == "scopes":
            context = jax.named_scope("added")
        with context:
            return proceed(equation, operands)

    def strong(array: Any) -> Any:
        return jax.numpy.asarray(array, dtype=jax.typeof(array).dtype)

    return Tool(visit, lift=strong if what == "weak types" else lambda array: array)


@pytest.mark.parametrize(
    ("what", "function"),
    [("scopes", jit_nested), ("weak types", lambda x: (x, 1.5))],
)
def test_what_is_lost_is_found(what: str, function: Any) -> None:
    program = trace(function, X)
    assert differences(program.jaxpr, transform(program, _losing(what)).jaxpr)


def test_a_lost_option_of_jit_is_found() -> None:
    options: list[dict[str, Any]] = [{}, {"donate_argnums": 0}, {"inline": True}]
    plain, *others = [trace(jax.jit(jax.numpy.sin, **o), X).jaxpr for o in options]
    for other in others:
        assert any("parameters" in line for line in differences(other, plain))


def test_effects_keep_their_order() -> None:
    """Ordered effects of the interpreted program happen as in the original."""
    heard: list[str] = []

    def talking(x: jax.Array) -> jax.Array:
        for word in ("one", "two"):
            jax.debug.callback(lambda word=word: heard.append(word), ordered=True)
        return debug_callback(x)

    program = trace(talking, X)
    results, _ = transform(program, IDENTITY)([X])
    jax.block_until_ready(results)
    jax.effects_barrier()
    assert heard == ["one", "two"]


def test_weak_results_stay_weak() -> None:
    """A weak result times bfloat16 is bfloat16, with the interpreter as without."""
    program = trace(lambda x: 2.0, X)
    (result,), _ = interpret(program.jaxpr, [X], IDENTITY)
    assert (result * jax.numpy.ones(2, "bfloat16")).dtype == "bfloat16"
