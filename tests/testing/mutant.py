"""Layers and rules with one mistake each, and the right ones beside them.

A mutant is a function of parameters and a batch, or of a batch alone, or a module. Each
says which property it breaks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdebug.testing.layers.check_layer import check_layer
from jaxdebug.testing.layers.report import LayerReport
from jaxdebug.testing.strategies.arrays import arrays

W, B = 0.3 * jnp.arange(12.0).reshape(4, 3) - 1, jnp.array([0.5, -1.0, 2.0])
DENSE = {"w": W, "b": B}
SCALE = {"scale": jnp.array([1.0, 2.0, -1.0, 0.5])}


class Mutant(NamedTuple):
    """A layer with a mistake."""

    layer: Any
    params: Any
    breaks: str
    """Name of the property."""
    settings: dict[str, Any]


MUTANTS: dict[str, Mutant] = {}
RIGHT: dict[str, Mutant] = {}


def mutant(breaks: str, params: Any = None, **settings: Any) -> Callable[[Any], Any]:
    """Register a mutant."""

    def register(function: Any) -> Any:
        where = MUTANTS if breaks else RIGHT
        where[function.__name__] = Mutant(function, params, breaks, settings)
        return function

    return register


right = partial(mutant, "")


def mutant_module(breaks: str, **settings: Any) -> Callable[[Any], Any]:
    """Register a mutant that a function of nothing makes."""

    def register(make: Any) -> Any:
        where = MUTANTS if breaks else RIGHT
        where[make.__name__] = Mutant(make(), None, breaks, settings)
        return make

    return register


right_module = partial(mutant_module, "")
SEQUENCES = {"inputs": arrays((2, 5, 4))}
IMAGES = {"inputs": arrays((2, 4, 5, 2))}


def report_on(one: Mutant, seed: int = 0) -> LayerReport:
    """Check a layer with as many examples as anybody's.

    Of a mutant only the property that it breaks is tried, or declared.
    """
    settings = dict(one.settings)
    if one.breaks and "declare" not in settings:
        settings["only"] = [one.breaks]
    return check_layer(one.layer, params=one.params, seed=seed, **settings)


def with_rule(forward: Any, tangent: Any) -> Any:
    """A function of one array with a derivative rule."""
    function = jax.custom_jvp(forward)

    @function.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (x,), (dx,) = primals, tangents
        return function(x), tangent(x, dx)

    return function


def with_vjp(forward: Any, backward: Any) -> Any:
    """A function with a rule for its cotangent, of operands and the cotangent."""
    function = jax.custom_vjp(forward)
    function.defvjp(lambda *args: (forward(*args), args), backward)
    return function
