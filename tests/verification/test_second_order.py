"""`order=2`: rules that are right once and wrong when they are differentiated again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.core import ShapedArray  # noqa: TID251
from jax.extend.core import Primitive  # noqa: TID251
from jax.interpreters import ad, mlir

import jaxdebug as jd
from tests.checks.json_schema import problems
from tests.slow import quick_cases
from tests.verification.case import cast, normal, with_rule, working_in
from tests.verification.correct_programs import PROGRAMS

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/schema/gradients-1.json").read_text("utf-8")
)

RIGHT = with_rule(lambda x: jnp.sin(x), lambda x, g: (g * jnp.cos(x),))
STALE = with_rule(
    lambda x: jnp.sin(x), lambda x, g: (g * lax.stop_gradient(jnp.cos(x)),)
)
RESIDUAL = with_rule(
    lambda x: jnp.sin(x),
    lambda c, g: (g * c,),
    lambda x: (jnp.sin(x), lax.stop_gradient(jnp.cos(x))),
)
ON_HOST = with_rule(
    lambda x: jnp.sin(x),
    lambda x, g: (
        g * jax.pure_callback(np.cos, jax.ShapeDtypeStruct(x.shape, x.dtype), x),
    ),
)


@jax.custom_jvp
def half_right(x: Any) -> Any:
    return jnp.exp(x)


@half_right.defjvp
def _half_right(primals: Any, tangents: Any) -> Any:
    return jnp.exp(primals[0]), lax.stop_gradient(jnp.exp(primals[0])) * tangents[0]


def _in_loop(rule: Callable[..., Any]) -> Callable[..., Any]:
    def looped(x: Any) -> Any:
        return lax.scan(lambda c, _: (rule(c) + 0.1, None), x, None, length=4)[0]

    return looped


def _loss(rule: Callable[..., Any]) -> Callable[..., Any]:
    def loss(p: Any) -> Any:
        return jnp.sum(rule(p["w"] * p["s"]) ** 2) + jnp.sum(p["b"])

    return loss


P = {"w": normal(4), "s": normal(4, seed=2), "b": normal(2)}

WRONG: dict[str, tuple[Callable[..., Any], str]] = {
    "stale cosine": (STALE, "second-derivative"),
    "stale residual": (RESIDUAL, "second-derivative"),
    "custom_jvp": (half_right, "second-derivative"),
    "in a loop": (_in_loop(STALE), "second-derivative"),
    "a bwd on the host": (ON_HOST, "no-second-derivative"),
}


@pytest.mark.parametrize(
    "precision", quick_cases(["float32", "float64"], [], slice_of=2)
)
@pytest.mark.parametrize("name", quick_cases(WRONG, [], slice_of=8))
def test_a_rule_that_is_wrong_twice_is_named(name: str, precision: str) -> None:
    rule, reason = WRONG[name]
    with working_in(precision) as dtype:
        args = cast(P, dtype)
        report = jd.check_gradients(_loss(rule), order=2)(args)
    assert report.verdict == "fail"
    assert all(leaf.verdict == "pass" for leaf in report.leaves)
    assert all(verdict.verdict == "pass" for verdict in report.rules)
    assert report.second is not None
    assert [verdict.reason for verdict in report.second.rules] == [reason]
    (found,) = report.findings
    assert found.code == "wrong-rule"
    assert "second derivative" in found.message
    assert str(found.line).startswith(__file__)
    if reason == "second-derivative":
        failing = {x.path for x in report.second.leaves if x.verdict == "fail"}
        assert failing == {"w", "s"}
    assert "second derivatives" in report.text(100)


def _relus(x: Any) -> Any:
    return jnp.sum(jax.nn.relu(x) * jax.nn.silu(x) + jax.nn.gelu(x))


TWICE_RIGHT: dict[str, tuple[Callable[..., Any], Any]] = {
    "a rule": (_loss(RIGHT), P),
    "a rule in a loop": (_loss(_in_loop(RIGHT)), P),
    "times five": (lambda x: 5 * x, normal(10)),
    "quadratic form": (lambda x: x @ normal(4, 4).astype(x.dtype) @ x, normal(4)),
    "library rules": (_relus, normal(5)),
    "relu at 0": (lambda x: jnp.sum(jax.nn.relu(x) ** 2), np.zeros(3)),
    "squared modulus": (
        lambda z: jnp.sum(jnp.abs(z) ** 4),
        normal(3) + 1j * normal(3, seed=2),
    ),
}


@pytest.mark.parametrize("precision", quick_cases(["float32", "float64"], ["float32"]))
@pytest.mark.parametrize("name", quick_cases(TWICE_RIGHT, [], slice_of=12))
def test_right_second_derivatives_pass(name: str, precision: str) -> None:
    function, args = TWICE_RIGHT[name]
    with working_in(precision) as dtype:
        args = cast(args, dtype)
        report = jd.check_gradients(function, order=2)(args)
    assert report.verdict == "pass", str(report)
    assert report.second is not None
    assert report.findings == ()
    assert problems(json.loads(report.to_json()), SCHEMA, SCHEMA) == []


def _product() -> Callable[[Any, Any], Any]:
    """A primitive: x y, whose derivative by y JAX cannot differentiate by x again."""
    primitives = Primitive("jaxdebug_product"), Primitive("jaxdebug_same")
    product, same = primitives
    for primitive, run in zip(primitives, (jnp.multiply, jnp.positive), strict=True):
        primitive.def_impl(run)
        primitive.def_abstract_eval(lambda x, *_: ShapedArray(x.shape, x.dtype))
        mlir.register_lowering(primitive, mlir.lower_fun(run, multiple_results=False))
    ad.defjvp(product, lambda t, x, y: t * y, lambda t, x, y: same.bind(x) * t)
    ad.defjvp(same, lambda t, x: jnp.zeros_like(t))
    return product.bind


@pytest.mark.slow
def test_a_hessian_that_is_not_symmetric_fails_without_a_custom_rule() -> None:
    """Differences say of which leaf, symmetry without any error bar."""
    product = _product()

    def loss(p: Any) -> Any:
        return product(p["x"][1], p["y"][2]) + jnp.sum(p["x"] ** 2)

    args = {"x": normal(3), "y": normal(4)}
    report = jd.check_gradients(loss, order=2)(cast(args, np.float32))
    assert report.second is not None
    assert report.verdict == "fail"
    codes = [(finding.code, finding.where) for finding in report.findings]
    assert codes == [("wrong-gradient", "x"), ("modes-disagree", "gradient")]
    right = jd.check_gradients(lambda p: p["x"][1] * p["y"][2], order=2)
    assert right(cast(args, np.float32)).verdict == "pass"


@pytest.mark.slow
def test_where_the_first_derivative_is_wrong_the_second_is_not_asked() -> None:
    wrong = with_rule(lambda x: jnp.sin(x), lambda x, g: (g * jnp.sin(x),))
    report = jd.check_gradients(lambda x: jnp.sum(wrong(x)), order=2)(normal(3))
    assert report.verdict == "fail"
    assert report.second is None
    assert "second derivatives: the first are wrong" in report.unchecked


@pytest.mark.slow
def test_what_jax_cannot_differentiate_twice_is_inconclusive() -> None:
    report = jd.check_gradients(jax.scipy.special.gammainc, order=2)(
        jnp.float32(2), jnp.float32(1)
    )
    assert report.verdict == "inconclusive"
    assert "second derivatives: Differentiation rule for" in report.unchecked[-1]


@pytest.mark.slow
def test_a_rule_on_the_host_has_no_second_derivative() -> None:
    def on_host(function: Any, x: Any) -> Any:
        return jax.pure_callback(function, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    sine = jax.custom_jvp(lambda x: on_host(np.sin, x))
    sine.defjvp(lambda x, t: (sine(x[0]), on_host(np.cos, x[0]) * t[0]))
    report = jd.check_gradients(lambda x: jnp.sum(sine(x)), order=2)(normal(3))
    assert report.verdict == "inconclusive"
    assert "second derivatives: Pure callbacks do not support" in report.unchecked[-1]


@pytest.mark.parametrize(
    "name", quick_cases(["jax.nn relu network", "Optax CTC loss"], [], slice_of=2)
)
def test_kinks_and_logarithms_of_nothing_have_no_wrong_second_derivative(
    name: str,
) -> None:
    program = PROGRAMS[name]()
    report = jd.check_gradients(program.function, order=2)(*program.args(0))
    assert report.verdict != "fail", str(report)


@pytest.mark.slow
def test_a_rule_that_is_meant_to_differ() -> None:
    report = jd.check_gradients(
        lambda x: jnp.sum(half_right(x) ** 2), order=2, expected="half_right"
    )(normal(3))
    assert report.verdict == "pass", str(report)


def test_wrong_orders_are_refused() -> None:
    with pytest.raises(ValueError, match="expects order to be 1 or 2; found 3"):
        jd.check_gradients(jnp.sum, order=3)
    with pytest.raises(ValueError, match="expects order=1 where gradient is given"):
        jd.check_gradients(jnp.sum, order=2, gradient=jnp.ones_like)
