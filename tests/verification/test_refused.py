"""What JAX itself refuses: the error is JAX's, or the rest is checked all the same."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxdebug as jd
from tests.slow import quick_cases
from tests.verification.case import normal

P = {"a": normal(3).astype("f"), "b": normal(3, seed=2).astype("f")}


def _on_host(x: Any) -> Any:
    return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)


def _until_small(x: Any) -> Any:
    return lax.while_loop(lambda c: jnp.max(c) > 0.1, lambda c: c / 2, x)


@pytest.mark.parametrize("function", quick_cases([_on_host, _until_small], [_on_host]))
def test_what_has_no_derivative_is_named_and_the_rest_checked(function: Any) -> None:
    def loss(p: Any) -> Any:
        return jnp.sum(function(p["a"])) + jnp.sum(jnp.sin(p["b"]))

    report = jd.check_gradients(loss)(P)
    verdicts = {x.path: (x.verdict.value, x.reason) for x in report.leaves}
    assert verdicts["a"] == ("inconclusive", "not-implemented")
    assert verdicts["b"] == ("pass", "agrees")
    assert report.verdict == "inconclusive"
    assert any(line.startswith("a: no derivative of") for line in report.unchecked)
    assert f"{__file__}:" in report.unchecked[-1]
    assert "not-implemented" in report.text(100)


def test_where_nothing_is_left_the_error_is_jaxs() -> None:
    with pytest.raises(ValueError, match="Pure callbacks do not support JVP"):
        jd.check_gradients(lambda x: jnp.sum(_on_host(x)))(P["a"])


@jax.custom_vjp
def product(x: Any, y: Any) -> Any:
    return x * y


product.defvjp(lambda x, y: (x * y, (x, y)), lambda r, g: (g * r[1],))


@jax.custom_vjp
def forgetful(x: Any, y: Any) -> Any:
    return x * y


forgetful.defvjp(lambda x, y: (x * y, (x, y)), lambda r, g: (g * r[1], None))


def test_a_missing_cotangent_is_jaxs_error() -> None:
    with pytest.raises(TypeError, match="tuple of length equal to the number"):
        jd.check_gradients(product, argnums=(0, 1))(P["a"], P["b"])


@pytest.mark.slow
def test_a_cotangent_that_is_none_is_named_by_its_argument() -> None:
    report = jd.check_gradients(forgetful, argnums=(0, 1))(P["a"], P["b"])
    (found,) = report.findings
    assert (found.code, found.where) == ("wrong-rule", "forgetful")
    assert found.evidence["operand"] == 1
    assert [leaf.path for leaf in report.leaves if leaf.verdict == "fail"] == ["1"]


def test_shapes_that_depend_on_values_are_jaxs_error() -> None:
    with pytest.raises(jax.errors.ConcretizationTypeError):
        jd.check_gradients(lambda x: jnp.ones(int(x[0])))(P["a"])
