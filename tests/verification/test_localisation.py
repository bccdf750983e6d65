"""The wrong elements of a gradient are named, as an index of the leaf."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxdebug as jd
from tests.slow import quick_cases
from tests.verification.case import normal, with_rule, working_in

FLOAT = np.float32


def _solved(wrong: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Its argument, by a linear solve whose transpose, which JAX trusts, is spoilt."""

    def solved(b: Any) -> Any:
        return lax.custom_linear_solve(
            lambda x: x, b, lambda _, b: b, lambda _, cotangent: wrong(cotangent)
        )

    return solved


def _spoilt(*places: Any, by: float = 0.5) -> Callable[[Any], Any]:
    def wrong(right: Any) -> Any:
        for place in places:
            right = right.at[place].multiply(by)
        return right

    return wrong


S = slice
PLACES: dict[str, tuple[tuple[int, ...], tuple[Any, ...], str]] = {
    "an element": ((1000,), (7,), "w[7] is wrong"),
    "an element of 1e6": ((1000, 1000), ((123, 456),), "w[123, 456] is wrong"),
    "two elements": ((64, 64), ((3, 5), (60, 9)), "w[3, 5] and w[60, 9] is wrong"),
    "columns": ((32, 64), ((S(None), S(16, 32)),), "w[:, 16:32] is wrong"),
    "a row": ((32, 64), (5,), "w[5, :] is wrong"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", quick_cases(PLACES, ["columns"], slice_of=2))
def test_a_gradient_without_a_second_witness(name: str) -> None:
    """What JAX takes on trust is wrong: only differences of the function can tell."""
    shape, places, text = PLACES[name]
    solved = _solved(_spoilt(*places))
    arrays = {"w": normal(*shape).astype(FLOAT), "b": normal(3).astype(FLOAT)}

    def loss(p: Any) -> Any:
        return jnp.sum(jnp.sin(solved(p["w"]))) + jnp.sum(p["b"] ** 2)

    report = jd.check_gradients(loss)(arrays)
    leaves = {leaf.path: leaf for leaf in report.leaves}
    assert leaves["w"].witness == "differences"
    assert leaves["b"].verdict == "pass"
    (finding,) = [f for f in report.findings if f.code == "wrong-gradient"]
    assert text in finding.message
    assert all(block.exact for block in leaves["w"].blocks)
    assert report.cost["values"] < 1300  # 1000 at most are for the elements


@pytest.mark.slow
def test_a_right_gradient_has_no_blocks() -> None:
    solved = _solved(_spoilt())
    report = jd.check_gradients(lambda w: jnp.sum(jnp.sin(solved(w))))(normal(100))
    assert report.ok, str(report)
    assert all(not leaf.blocks for leaf in report.leaves)


def _halved(w: Any, g: Any) -> Any:
    return ((2 * w * g).at[:, 0:16].multiply(0.5),)


def test_a_block_and_the_rule_that_makes_it_wrong() -> None:
    square = with_rule(lambda w: w * w, _halved)

    def loss(p: Any) -> Any:
        return jnp.sum(square(p["decoder"]["kernel"]))

    params = {"decoder": {"kernel": normal(8, 64).astype(FLOAT)}}
    report = jd.check_gradients(loss)(params)
    (finding,) = report.findings
    assert "decoder/kernel[:, 0:16]" in finding.message
    _, start = inspect.getsourcelines(_halved)
    assert finding.line == f"{__file__}:{start}"
    (leaf,) = report.leaves
    assert leaf.where == "decoder/kernel[:, 0:16]"
    assert leaf.blocks[0].wrong == 8 * 16


@pytest.mark.slow
def test_scattered_elements_are_counted_in_their_box() -> None:
    def every_other(w: Any, g: Any) -> Any:
        return ((2 * w * g).at[2:9:2, 3].set(0),)

    square = with_rule(lambda w: w * w, every_other)
    report = jd.check_gradients(lambda w: jnp.sum(square(w)))(normal(16, 4))
    assert report.leaves[0].where == "(params)[2:9, 3] (4 of 7 elements)"


@pytest.mark.slow
def test_elements_that_are_not_finite() -> None:
    def broken(w: Any, g: Any) -> Any:
        return ((2 * w * g).at[3, 1].set(jnp.nan),)

    square = with_rule(lambda w: w * w, broken)
    report = jd.check_gradients(lambda w: jnp.sum(square(w)))(normal(16, 4))
    assert report.leaves[0].where == "(params)[3, 1]"


@pytest.mark.slow
def test_a_callback_with_a_wrong_rule() -> None:
    def wrong(x: Any, g: Any) -> Any:
        return ((g * jnp.cos(x)).at[2].multiply(0.9),)

    def on_host(x: Any) -> Any:
        return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    rule = with_rule(on_host, wrong)
    with working_in("float64"):
        report = jd.check_gradients(lambda x: jnp.sum(rule(x)))(normal(5))
    assert report.leaves[0].where == "(params)[2]"
    assert report.leaves[0].causes
