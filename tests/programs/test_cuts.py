"""What lies between an input and the outputs that no derivative passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxdebug.programs.cuts import Way, stands_in, way_of
from jaxdebug.programs.graph import build_graph
from jaxdebug.programs.program import trace
from tests.verification.case import with_rule

X = np.ones(3, np.float32)


def way(function: Callable[..., Any], *args: Any) -> Way:
    """Of the first argument."""
    graph = build_graph(trace(function, *(args or (X,))).jaxpr)
    return way_of(graph, graph.inputs[0])


@jax.jit
def _rounded(x: Any) -> Any:
    return jnp.round(x) * 2


def _in_loop(x: Any) -> Any:
    def step(carry: Any, _: Any) -> Any:
        return carry + lax.stop_gradient(x), None

    return lax.scan(step, jnp.zeros_like(x), None, length=3)[0]


_through = with_rule(lambda x: jnp.round(x), lambda x, g: (g,))

CUT: dict[str, tuple[Callable[..., Any], str]] = {
    "stop_gradient": (lambda x: jnp.sum(lax.stop_gradient(x) ** 2), "stop_gradient"),
    "a rounding inside jit": (lambda x: jnp.sum(_rounded(x)), "round"),
    "a floor": (lambda x: jnp.sum(jnp.floor(x) * 3), "floor"),
    "a sign": (lambda x: jnp.sum(jnp.sign(x)), "sign"),
    "an argmax": (lambda x: jnp.argmax(x).astype(jnp.float32), "argmax"),
    "a comparison": (lambda x: jnp.where(x > 0, 1.0, 2.0), "gt"),
    "a cast": (lambda x: x.astype(jnp.int32) * 1.0, "cast to int32"),
    "stop_gradient in a loop": (_in_loop, "stop_gradient"),
}


@pytest.mark.parametrize("name", CUT)
def test_what_cuts_is_named_with_its_line(name: str) -> None:
    function, what = CUT[name]
    found = way(function)
    assert (found.read, found.open) == (True, False)
    assert found.cuts[0].what == what
    assert found.cuts[0].line is not None
    assert found.cuts[0].line.file == __file__
    assert str(found.cuts[0]).startswith(f"{what} at {__file__}:")


def test_the_nearest_cut_comes_first() -> None:
    found = way(lambda x: jnp.round(2 * jnp.floor(x)) + lax.stop_gradient(jnp.sin(x)))
    assert [cut.what for cut in found.cuts] == ["floor", "stop_gradient"]


def test_a_derivative_that_passes_beside_a_cut() -> None:
    found = way(lambda x: jnp.sum(x * jnp.round(x)))
    assert found.open
    assert [cut.what for cut in found.cuts] == ["round"]


def test_what_is_and_is_not_read() -> None:
    assert way(lambda x: jnp.ones(())) == (False, False, ())
    assert way(lambda x, y: jnp.sum(y), X, X) == (False, False, ())
    assert way(lambda x: jnp.sum(x) * 0) == (True, True, ())


def test_a_custom_rule_decides_and_not_its_body() -> None:
    found = way(lambda x: jnp.sum(_through(x) ** 2))
    assert found.open
    assert found.cuts == ()


def test_a_cut_that_leads_nowhere_is_none() -> None:
    def function(x: Any) -> Any:
        jnp.round(x)
        return jnp.sum(jnp.sin(x))

    assert way(function) == (True, True, ())


def test_the_function_that_an_equation_stands_in() -> None:
    def straight_through(x: Any) -> Any:
        return x + lax.stop_gradient(jnp.round(x) - x)

    @jax.jit
    def inner(x: Any) -> Any:
        return straight_through(x)

    cuts = way(lambda x: jnp.sum(inner(x))).cuts
    (cut,) = [cut for cut in cuts if cut.what == "stop_gradient"]
    assert stands_in(cut.equation, ["straight_*"])
    assert stands_in(cut.equation, ["inner"])
    assert not stands_in(cut.equation, ["other"])
