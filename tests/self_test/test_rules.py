"""The self-test passes rules that work, and names each one that is broken."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from jaxdebug.programs.equation import Equation
from jaxdebug.programs.rules.call import CALL
from jaxdebug.programs.rules.rule import Rule, Run
from jaxdebug.programs.rules.table import DEFAULT_RULES
from jaxdebug.programs.self_test import CASES, check_rules
from jaxdebug.programs.tool import Outcome, Tool, Value


def forgets_parameters(
    equation: Equation, operands: list[Value], tool: Tool, run: Run
) -> Outcome:
    """As a rule does that asks for a parameter the new JAX has renamed."""
    raise ValueError("no parameter jaxpr\nand a second line")


def gives_zeros(
    equation: Equation, operands: list[Value], tool: Tool, run: Run
) -> Outcome:
    avals: list[Any] = [variable.aval for variable in equation.raw.outvars]
    results = [np.zeros(aval.shape, aval.dtype) for aval in avals]
    return results, {}


def drops_the_derivative(
    equation: Equation, operands: list[Value], tool: Tool, run: Run
) -> Outcome:
    """Right outputs, but JAX differentiates the body instead of the user's rule."""
    (body,) = DEFAULT_RULES[equation.primitive].bodies(equation)
    return run(body.jaxpr, operands, equation.inside(0))


def broken(**changes: Any) -> dict[str, str]:
    rules = DEFAULT_RULES
    for name, apply in changes.items():
        rules = rules.with_rule(name, Rule(DEFAULT_RULES[name].bodies, apply))
    return {name: why for name, why in check_rules(rules).items() if why}


def test_every_rule_works_here() -> None:
    assert check_rules() == dict.fromkeys(DEFAULT_RULES)


def test_broken_rules_are_named_with_the_reason_and_the_others_are_not() -> None:
    found = broken(
        jit=forgets_parameters,
        scan=gives_zeros,
        custom_jvp_call=drops_the_derivative,
        custom_vjp_call=drops_the_derivative,
    )
    # The program for the call primitives has a loop around the call.
    calls = dict.fromkeys(("closed_call", "core_call", "eval_jaxpr"), OUTPUT)
    assert found == {
        "jit": "raised ValueError: no parameter jaxpr",
        "scan": OUTPUT,
        **calls,
        "custom_jvp_call": GRADIENT,
        "custom_vjp_call": GRADIENT,
    }


OUTPUT = "the output of its program differs from the original's"
GRADIENT = "the gradient of its program differs from the original's"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.names[0])
def test_each_program_goes_through_its_rule(
    case: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every rule that gives zeros is found, under each of its names."""
    monkeypatch.setattr("jaxdebug.programs.self_test.CASES", (case,))
    assert check_rules()[case.names[0]] is None
    found = broken(**dict.fromkeys(case.names, gives_zeros))
    assert {found[name] for name in case.names} == {OUTPUT}


def test_a_primitive_that_jax_renamed_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renamed = tuple(
        case._replace(names=("while", "loop"))
        if case.names == ("cond",)
        else case
        for case in CASES
        if case.names != ("while",)
    )  # fmt: skip
    monkeypatch.setattr("jaxdebug.programs.self_test.CASES", renamed)
    found = {name: why for name, why in check_rules().items() if why}
    assert set(found) == {"while", "cond"}
    assert found["cond"] == "no program tests this rule"
    assert (found["while"] or "").startswith("its program was traced to ")
    assert (found["while"] or "").endswith("which has no while or loop")


def test_a_rule_without_a_program_is_not_called_working() -> None:
    found = check_rules(DEFAULT_RULES.with_rule("my_call", CALL))
    assert found["my_call"] == "no program tests this rule"


def test_the_callers_trace_and_settings_make_no_difference() -> None:
    """Inside somebody's jit, under settings that would change or refuse a trace."""
    found = []

    def traced(x: jax.Array) -> jax.Array:
        found.append(check_rules())
        return x

    with (
        jax.enable_x64(True),
        jax.disable_jit(True),
        jax.transfer_guard("disallow"),
        jax.numpy_rank_promotion("raise"),
        jax.numpy_dtype_promotion("strict"),
        jax.set_mesh(jax.make_mesh((8,), ("d",))),
    ):
        jax.make_jaxpr(traced)(np.ones(2, np.float32))
    assert found == [dict.fromkeys(DEFAULT_RULES)]


def test_process_wide_settings_make_no_difference() -> None:
    jax.config.update("jax_disable_jit", True)
    jax.config.update("jax_transfer_guard", "disallow")
    try:
        found = check_rules()
    finally:
        jax.config.update("jax_disable_jit", False)
        jax.config.update("jax_transfer_guard", "allow")
    assert found == dict.fromkeys(DEFAULT_RULES)
