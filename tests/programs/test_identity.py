"""Identity interpretation is the program itself, under every transformation.

Two functions that lower to the same StableHLO compile to the same code, so most of the
grid needs no compilation. Where the text differs both are run.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from jaxdebug.programs.program import trace, transform
from jaxdebug.programs.rules.rule import Rule
from jaxdebug.programs.rules.table import DEFAULT_RULES
from jaxdebug.programs.tool import IDENTITY, Tool
from tests.programs.control_programs import scan
from tests.programs.grid import GRID, X, cases
from tests.programs.transformations import (
    TRANSFORMATIONS,
    Function,
    evaluated,
    interpreted,
)
from tests.slow import quick_cases

# JAX itself adds up the cotangents of a value that is read several times in another
# order when it differentiates a jaxpr than when it differentiates the function that
# the jaxpr was traced from: these differ from the original by rounding, and are equal
# to the program as JAX evaluates it.
ULPS = 2

CASES = cases(TRANSFORMATIONS)
# The quick ones of these transformations go through every rule.
LONG = ("second", "around", "jvp")
THROUGH_EVERY_RULE = (
    *("jit_nested", "scan", "fori", "cond", "remat", "solve", "shard_map_checked"),
    *("custom_jvp", "custom_vjp", "custom_vjp_in_loops"),
)
QUICK = [case for case in CASES if case[1] not in LONG or case[0] in THROUGH_EVERY_RULE]
EAGER = ("scan_long", "cond", "remat_in_scan", "custom_vjp", "solve", "while_loop")


def itself(function: Function) -> Function:
    return function


def lowered(name: str, transformation: str, replaced: Any) -> Any:
    entry = GRID[name]

    def program(*args: Any) -> list[Any]:
        transformed = TRANSFORMATIONS[transformation](entry.function, replaced)
        return jax.tree.leaves(transformed(*args))

    return jax.jit(program).lower(*entry.args)


def bits(leaf: Any) -> np.ndarray:
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    leaf = np.atleast_1d(np.ascontiguousarray(leaf))
    return leaf.view(np.uint8)


def same(left: Any, right: Any) -> bool:
    left, right = jax.tree.leaves(left), jax.tree.leaves(right)
    return len(left) == len(right) and all(
        a.dtype == b.dtype and a.shape == b.shape and np.array_equal(bits(a), bits(b))
        for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize(("name", "transformation"), quick_cases(CASES, QUICK))
def test_interpreted_program_is_the_original(name: str, transformation: str) -> None:
    want = lowered(name, transformation, itself)
    got = lowered(name, transformation, interpreted)
    if got.as_text() == want.as_text():
        return
    arguments = GRID[name].args
    expected, found = want.compile()(*arguments), got.compile()(*arguments)
    if same(expected, found):
        return
    by_jax = lowered(name, transformation, evaluated)
    assert got.as_text() == by_jax.as_text()
    for a, b in zip(expected, found, strict=True):
        rounding = ULPS * np.spacing(np.abs(a).max())
        np.testing.assert_allclose(b, a, rtol=0, atol=rounding)


@pytest.mark.parametrize("name", EAGER)
def test_eager_calls_are_bitwise_equal(name: str) -> None:
    """Operation by operation, against JAX's own evaluation of the same program."""
    entry = GRID[name]
    assert same(
        evaluated(entry.function)(*entry.args), interpreted(entry.function)(*entry.args)
    )


@pytest.mark.parametrize("name", [n for n, entry in GRID.items() if entry.refuses])
def test_jax_refuses_what_the_grid_leaves_out(name: str) -> None:
    for transformation in GRID[name].refuses:
        # JAX raises errors of several kinds for what it does not offer.
        with pytest.raises(Exception, match=r".+"):
            lowered(name, transformation, itself)


def _wrong_way_round() -> Rule:
    """A scan rule that changes one parameter."""
    rule = DEFAULT_RULES["scan"]

    def apply(equation: Any, operands: Any, tool: Tool, run: Any) -> Any:
        params = {**equation.raw.params, "reverse": not equation.raw.params["reverse"]}
        changed = equation.raw.replace(params=params)
        return rule.apply(
            type(equation)(changed, equation.address), operands, tool, run
        )

    return Rule(rule.bodies, apply)


def _with_planted_bug(function: Function) -> Function:
    def run(*args: Any) -> Any:
        program = trace(function, *args)
        rules = DEFAULT_RULES.with_rule("scan", _wrong_way_round())
        results, _ = transform(program, IDENTITY, rules=rules)(jax.tree.leaves(args))
        return jax.tree.unflatten(program.out_tree, results)

    return run


def test_a_rule_that_changes_a_parameter_is_caught() -> None:
    want = jax.jit(scan).lower(X)
    wrong = jax.jit(_with_planted_bug(scan)).lower(X)
    assert wrong.as_text() != want.as_text()
    assert not same(want.compile()(X), wrong.compile()(X))
