"""Leaves without a gradient: how they reach the outputs, and what cuts them off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import jaxdebug as jd
from tests.slow import quick_cases
from tests.verification.case import normal, with_rule

P = {name: normal(3, seed=i).astype("f") for i, name in enumerate("abc")}


def _finding(report: jd.GradientReport, where: str) -> Any:
    (found,) = [f for f in report.findings if f.where == where]
    return found


def _line_of(function: Callable[..., Any]) -> str:
    return f"{__file__}:{function.__code__.co_firstlineno + 1}"


def _fine_steps(x: Any) -> Any:
    return jnp.round(x * 1e9) / 1e9


def _held(x: Any) -> Any:
    return lax.stop_gradient(x)


@pytest.fixture(scope="module")
def lost() -> jd.GradientReport:
    def loss(p: Any) -> Any:
        return jnp.sum(_fine_steps(p["a"])) + jnp.sum(_held(p["b"]) ** 2)

    return jd.check_gradients(loss)(P)


@pytest.mark.slow
def test_a_lost_gradient_names_what_loses_it(lost: jd.GradientReport) -> None:
    found = _finding(lost, "a")
    assert found.code == "lost-gradient"
    assert found.line == _line_of(_fine_steps)
    assert f"cut off by round at {found.line}" in found.message


def test_what_is_held_still_passes_and_is_named(lost: jd.GradientReport) -> None:
    (leaf,) = [leaf for leaf in lost.leaves if leaf.path == "b"]
    assert (leaf.verdict, leaf.reason, leaf.way) == ("pass", "stopped", "cut")
    found = _finding(lost, "b")
    assert found.code == "severed-parameter"
    assert f"cut off by stop_gradient at {_line_of(_held)}" in found.message


def test_what_is_never_read_is_said_so(lost: jd.GradientReport) -> None:
    found = _finding(lost, "c")
    assert (found.code, found.line) == ("severed-parameter", None)
    assert "never reaches the output" in found.message


@pytest.mark.slow
def test_a_gradient_that_the_branch_taken_loses_is_named() -> None:
    def in_steps(x: Any) -> Any:
        return jnp.round(x * 8)

    def loss(p: Any) -> Any:
        rounded = lax.cond(p["b"][0] < 9, in_steps, lambda x: x, p["a"])
        return jnp.sum(rounded * p["c"]) + jnp.sum(p["b"] ** 2)

    report = jd.check_gradients(loss)({**P, "b": P["b"] * 0 + 1})
    assert report.verdict == "pass", str(report)
    found = _finding(report, "a")
    assert (found.code, found.line) == ("flat-gradient", _line_of(in_steps))
    assert "it may be cut off by round" in found.message


@pytest.mark.slow
def test_a_part_that_is_lost_is_named() -> None:
    report = jd.check_gradients(lambda x: jnp.sum(_fine_steps(x) + x))(P["a"])
    (found,) = report.findings
    assert found.code == "wrong-gradient"
    assert f"no derivative passes round at {_line_of(_fine_steps)}" in found.message


@pytest.mark.slow
def test_healthy_parameters_have_no_such_findings() -> None:
    def loss(p: Any) -> Any:
        hidden = jax.nn.relu(p["a"] * p["b"])
        return jnp.sum(jnp.where(hidden > 0.1, hidden, 0.0) * p["c"])

    report = jd.check_gradients(loss)(P)
    assert report.ok
    assert report.findings == ()
    assert {leaf.way for leaf in report.leaves} <= {"", "open"}


_identity_with_rule = with_rule(lambda x: x, lambda x, g: (jnp.clip(g, -0.1, 0.1),))


def clipped(x: Any) -> Any:
    return _identity_with_rule(x)


def reversed_(x: Any) -> Any:
    return -x + lax.stop_gradient(2 * x)


def straight_through(x: Any) -> Any:
    return x + lax.stop_gradient(jnp.round(x) - x)


def held(x: Any) -> Any:
    return _held(x) + lax.stop_gradient(2 * x)


DECLARED: dict[str, tuple[Callable[..., Any], tuple[str, str]]] = {
    "straight_through": (straight_through, ("pass", "stopped")),
    "clipped": (clipped, ("fail", "disagrees")),
    "reversed_": (reversed_, ("pass", "stopped")),
}


@pytest.mark.parametrize("name", quick_cases(DECLARED, []))
def test_a_deviation_is_declared_by_the_function_it_stands_in(name: str) -> None:
    function, undeclared = DECLARED[name]

    def loss(x: Any) -> Any:
        return jnp.sum(function(3 * x) ** 2)

    (leaf,) = jd.check_gradients(loss)(P["a"]).leaves
    assert (leaf.verdict, leaf.reason) == undeclared
    report = jd.check_gradients(loss, expected=(name,))(P["a"])
    (leaf,) = report.leaves
    assert (leaf.verdict, leaf.reason) == ("pass", "expected")
    assert report.findings == ()


@pytest.mark.slow
def test_a_cut_that_is_declared_is_no_finding() -> None:
    check = jd.check_gradients(lambda p: jnp.sum(held(p)), expected="held")
    report = check(P["a"])
    assert report.findings == ()
    assert report.leaves[0].way == "declared"
