"""A wrong derivative rule breaks the property that it should; right ones none."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jaxdebug.reports import Verdict
from jaxdebug.testing.layers.report import LayerReport
from jaxdebug.testing.rules.check_custom_rule import check_custom_rule
from jaxdebug.testing.strategies.arrays import arrays
from tests.slow import quick_cases
from tests.testing.library_rules import CASES
from tests.testing.mutant import with_rule, with_vjp

ONE = arrays((3, 4))


def failed(report: LayerReport) -> dict[str, str]:
    """The properties that do not hold, with what is said of each."""
    return {
        one.name: one.reason for one in report.properties if one.verdict is Verdict.FAIL
    }


def _two_outputs(x: Any) -> Any:
    return jnp.sin(x), jnp.cos(x)


def _forgets_when_alone() -> Callable[..., Any]:
    """A rule with symbolic zeros that takes the other operand's for an error."""

    @jax.custom_vjp
    def product(x: Any, y: Any) -> Any:
        return x * y

    def forward(x: Any, y: Any) -> Any:
        both = x.perturbed and y.perturbed
        return x.value * y.value, (x.value, y.value, both)

    def backward(saved: Any, cotangent: Any) -> Any:
        x, y, both = saved
        return cotangent * y, cotangent * x * (1.0 if both else 0.0)

    product.defvjp(forward, backward, symbolic_zeros=True)
    return product


def _power() -> Callable[..., Any]:
    @partial(jax.custom_jvp, nondiff_argnums=(1,))
    def power(x: Any, exponent: int) -> Any:
        return x**exponent

    @power.defjvp
    def rule(exponent: int, primals: Any, tangents: Any) -> Any:
        (x,), (dx,) = primals, tangents
        return power(x, exponent), exponent * x ** (exponent - 1) * dx

    return power


def _of_integers() -> Callable[..., Any]:
    def backward(saved: Any, cotangent: Any) -> Any:
        x, index = saved
        return jnp.zeros_like(x).at[index].add(cotangent), None

    return with_vjp(lambda x, index: x[index], backward)


RIGHT: dict[str, tuple[Callable[..., Any], Any]] = {
    "sine": (with_rule(jnp.sin, lambda x, dx: jnp.cos(x) * dx), ONE),
    "product": (with_vjp(jnp.multiply, lambda s, c: (c * s[1], c * s[0])), (ONE, ONE)),
    "two outputs": (
        with_rule(_two_outputs, lambda x, dx: (jnp.cos(x) * dx, -jnp.sin(x) * dx)),
        ONE,
    ),
    "power": (_power(), (ONE, 3)),
    "lookup": (
        _of_integers(),
        (arrays((4,)), arrays((3,), "int32", low=0, high=3)),
    ),
}


def _with_another_value(x: Any, dx: Any) -> Any:
    return jnp.sin(x) + 1e-3, jnp.cos(x) * dx


def _wrong_value() -> Callable[..., Any]:
    function = jax.custom_jvp(jnp.sin)
    function.defjvp(lambda x, dx: _with_another_value(x[0], dx[0]))
    return function


def _wide_cotangent(saved: Any, cotangent: Any) -> Any:
    return (jnp.float32(2) * saved[0].astype(jnp.float32) * cotangent,)


WRONG: dict[str, tuple[str, Callable[..., Any], Any]] = {
    "another function": (
        "gradients",
        with_rule(jnp.sin, lambda x, dx: jnp.cos(x + 0.01) * dx),
        ONE,
    ),
    "another value": ("primal", _wrong_value(), ONE),
    "clipped": (
        "linear",
        with_vjp(jnp.sin, lambda s, c: (jnp.clip(jnp.cos(s[0]) * c, -0.5, 0.5),)),
        ONE,
    ),
    "something of nothing": (
        "zero",
        with_vjp(jnp.sin, lambda s, c: (jnp.cos(s[0]) * c + 1e-3,)),
        ONE,
    ),
    "forgets when alone": ("alone", _forgets_when_alone(), (ONE, ONE)),
    "wider than its operand": ("dtype", with_vjp(jnp.square, _wide_cotangent), ONE),
    "overflows before it divides": (
        "finite",
        with_rule(
            jax.nn.softplus,
            lambda x, dx: jnp.exp(x) / (1 + jnp.exp(x)) * dx,
        ),
        ONE,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", quick_cases(WRONG, ["forgets when alone"]))
def test_a_wrong_rule_breaks_its_property(name: str) -> None:
    breaks, function, inputs = WRONG[name]
    report = check_custom_rule(function, inputs, only=[breaks], examples=4, order=1)
    assert [*failed(report)] == [breaks], str(report)
    assert "testing.check_custom_rule(" in report.properties[0].reproduce


@pytest.mark.parametrize("name", quick_cases(RIGHT, []))
def test_a_right_rule_passes(name: str) -> None:
    function, inputs = RIGHT[name]
    report = check_custom_rule(function, inputs, examples=4)
    assert report.verdict is Verdict.PASS, str(report)
    assert report.said[0].startswith("rules met: ")


@pytest.mark.parametrize("name", quick_cases(CASES, [], slice_of=12))
def test_a_rule_of_a_library(name: str) -> None:
    case = CASES[name]
    settings = {"examples": 6, "order": 1, **case.settings}
    found = failed(check_custom_rule(case.function, case.inputs, **settings))
    assert tuple(found) == case.breaks, found


def test_a_function_without_a_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="that of sin meets none"):
        check_custom_rule(jnp.sin, ONE)


def test_an_operand_that_is_left_out_is_refused() -> None:
    with pytest.raises(ValueError, match=r"those at \(1,\) as they are handed over"):
        check_custom_rule(_power(), ONE)
