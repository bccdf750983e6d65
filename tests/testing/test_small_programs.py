"""What NumPy knows of small programs is what JAX makes of them in float64."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdebug.testing import SmallProgram, random_program
from jaxdebug.testing.programs.dual import Dual
from jaxdebug.testing.programs.expected import Expected, expected, gap
from jaxdebug.testing.programs.program import Known
from jaxdebug.testing.programs.rules import mistakes_of
from jaxdebug.testing.programs.steps import OPERATIONS, Input, Step
from tests.slow import quick_cases

NEAR_A_KINK = 1e-6
"""Roundings decide there: another order of additions is enough."""

ROUNDED = 1e-7
"""Relative, of a gradient of a few instructions in float64."""


def by_jax(program: SmallProgram, seed: int | None = None) -> Known:
    """The Jacobian that JAX makes in float64, or what it changes by along a seed."""
    function = program.function()

    def flat(moving: dict[str, Any], fixed: dict[str, Any]) -> Any:
        leaves = jax.tree.leaves(function(moving | fixed))
        return jnp.concatenate([leaf.reshape(-1) for leaf in leaves])

    with jax.enable_x64(True):
        given = program.arguments(dtype="float64")
        moving = {n: x for n, x in given.items() if x.dtype == jnp.float64}
        fixed = {n: x for n, x in given.items() if n not in moving}
        shapes = {n: x.shape for n, x in moving.items()}
        asked = jax.jacrev(flat)
        if seed is not None:
            rng = np.random.default_rng([seed, 5])
            way = {n: rng.normal(size=x.shape) for n, x in moving.items()}

            def along(rows: dict[str, Any]) -> Any:
                found = [jnp.tensordot(rows[n], way[n], way[n].ndim) for n in way]
                return sum(found[1:], found[0])

            # Reverse over reverse: a custom_vjp has no other second derivative.
            twice = jax.jacrev(lambda m, f: along(jax.jacrev(flat)(m, f)))
            asked = twice
        found = jax.jit(asked)(moving, fixed)
        value = np.asarray(flat(moving, fixed))
    split = {
        n: np.asarray(x).reshape(-1, int(np.prod(shapes[n]))).T
        for n, x in found.items()
    }
    return Known(value, split, np.inf)


def assert_agree(program: SmallProgram) -> None:
    known = program.known()
    if known.clear > NEAR_A_KINK and np.isfinite(gap(known, known)):
        assert gap(by_jax(program), known) < ROUNDED, str(program)


@pytest.mark.parametrize("number", quick_cases(range(100), [0]))
def test_numpy_and_jax_agree_mistakes_and_all(number: int) -> None:
    assert_agree(random_program([number, 31], mistake=number % 2 == 0))


def small(name: str, shapes: Any, settings: Any, kind: str = "random") -> SmallProgram:
    """One instruction on inputs of these shapes."""
    indexed = OPERATIONS[name].group == "indexed"
    body = (Step("sin", (0,)), Step("multiply", (2, 2)))
    inputs = [Input(shape, "float32", kind, at) for at, shape in enumerate(shapes)]
    if indexed:
        inputs[1] = Input(shapes[1], "int32", "random", 1)
    step = Step(name, tuple(range(len(shapes))), settings)
    if OPERATIONS[name].group == "flow":
        step = replace(step, body=body)
    return SmallProgram(tuple(inputs), (step,), (len(inputs),), scalar=False)


def every_form(name: str, kind: str) -> list[SmallProgram]:
    """An instruction with one of each of its settings."""
    operation, shapes = OPERATIONS[name], [(2, 2), (2,), (3,), ()]
    for x in shapes:
        for y in shapes if operation.operands == 2 else [x]:
            given = [x, y][: operation.operands]
            options = operation.fits(given)
            if options:
                return [small(name, given, one, kind) for one in options]
    raise AssertionError(name)


@pytest.mark.parametrize("kind", ["random", "coarse"])
@pytest.mark.parametrize("name", quick_cases(OPERATIONS, []))
def test_every_instruction_agrees_on_kinks_too(name: str, kind: str) -> None:
    for program in every_form(name, kind):
        assert gap(by_jax(program), program.known()) < ROUNDED, str(program)


SECOND = ("sine", "ratio", "affine", "softened", "scaled", "logsumexp", "scan", "clip")


@pytest.mark.parametrize("name", quick_cases(SECOND, []))
def test_second_derivatives_agree_with_and_without_a_mistake(name: str) -> None:
    program = every_form(name, "random")[0]
    assert gap(by_jax(program, 0), program.known_second()) < ROUNDED
    if program.rules():
        wrong = program.with_mistake(0, "second")
        assert gap(by_jax(wrong, 0), wrong.known_second()) < ROUNDED
        assert gap(wrong.known_second(), program.known_second()) > 0.01
        assert expected(wrong) is Expected.UNSAID
        assert expected(wrong, order=2) is Expected.WRONG


RULED = [name for name, each in OPERATIONS.items() if each.group == "rule"]


@pytest.mark.parametrize("name", RULED)
def test_every_rule_has_mistakes_that_are_seen(name: str) -> None:
    """NumPy alone: JAX is asked above."""
    program = every_form(name, "random")[0]
    assert expected(program) is Expected.RIGHT
    seen = [
        kind
        for kind in mistakes_of(name)
        if expected(program.with_mistake(0, kind)) is Expected.WRONG
    ]
    assert {"sign", "factor", "offset-factor"} <= set(seen)
    for kind in mistakes_of(name):
        assert program.with_mistake(0, kind).right() == program


def test_a_program_is_built_again_from_its_seed_and_from_its_text() -> None:
    for seed in range(20):
        program = random_program(seed, mistake=True)
        assert program == random_program(seed, mistake=True)
        assert eval(repr(program)) == program
        assert str(program).splitlines()[-1].startswith("return")
        assert program.rules()
        assert len(str(program.right())) < len(str(program))


def test_a_wrong_slope_in_numpy_is_found() -> None:
    program = every_form("swish", "random")[0]
    wrong = program.with_mistake(0, "offset-factor")
    assert gap(by_jax(program), wrong.known()) > 0.05


def test_what_is_added_to_rows_may_be_complex_where_they_are_not() -> None:
    """Of an imaginary step, that only one operand depends on."""
    x = Dual(np.ones((2, 3)), np.zeros((1, 2, 3)))
    y = Dual(np.full(3, 2 + 1j), np.full((1, 3), 1j))
    found = OPERATIONS["scatter-add"].dual(None, (0, 1), x, y)
    np.testing.assert_array_equal(found.value, np.full((2, 3), 3 + 1j))
    np.testing.assert_array_equal(found.tangent, np.full((1, 2, 3), 1j))


def test_what_is_not_zero_is_infinitely_far_from_a_zero_gradient() -> None:
    zero, one = (Known(np.zeros(1), {"x": np.full((1, 1), g)}, 1.0) for g in (0.0, 1.0))
    assert gap(zero, zero) == 0
    assert gap(one, zero) == np.inf
