"""A function with a derivative rule, and what its rule makes, as a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxdebug.gradients.custom_calls import call_sites
from jaxdebug.programs._jax import calls
from jaxdebug.programs.graph import build_graph
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.program import trace
from jaxdebug.testing.layers.draw import Draw, scattered
from jaxdebug.testing.layers.layer import Layer

Flat = list[Any]


def moving_part(layer: Layer, draw: Draw) -> tuple[Callable[[Flat], Flat], Flat]:
    """The function of the operands that are differentiated by, and these.

    It returns its floating outputs alone: no others have cotangents.
    """
    leaves, tree = jax.tree.flatten(draw.args)
    moved = [i for i, moves in enumerate(layer.moving(draw.args)) if moves]

    def function(operands: Flat) -> Flat:
        given = list(leaves)
        for i, operand in zip(moved, operands, strict=True):
            given[i] = operand
        args = jax.tree.unflatten(tree, given)
        out, _ = layer.apply(draw.variables, draw.key, args, False)
        return [leaf for leaf in jax.tree.leaves(out) if is_inexact(jax.typeof(leaf))]

    return function, [leaves[i] for i in moved]


def some_like(leaves: Sequence[Any], number: int) -> Flat:
    """Cotangents or tangents of the dtypes and shapes of arrays."""
    return [
        scattered(leaf.shape, number + 5 * i).astype(leaf.dtype)
        for i, leaf in enumerate(leaves)
    ]


def with_derivative(layer: Layer) -> Layer:
    """The function that returns what its rule makes of a cotangent, too.

    Whatever must not change its outputs must not change those either.
    """

    def apply(
        variables: Any, key: Any, args: tuple[Any, ...], training: bool
    ) -> tuple[Any, Any]:
        out, _ = layer.apply(variables, key, args, training)
        draw = Draw(variables, key, key, args, args)
        function, operands = moving_part(layer, draw)
        made, pull_back = jax.vjp(function, operands)
        (cotangents,) = pull_back(some_like(made, 0))
        return {"value": out, "cotangent": cotangents}, {}

    return layer._replace(apply=apply)


def custom_rules(function: Callable[..., Any], args: tuple[Any, ...]) -> list[str]:
    """The custom rules that a derivative of a function goes through, by name.

    Args:
        function: of arrays.
        args: that it can be traced with.

    Returns:
        Each once, such as `relu (custom_jvp)`.
    """
    program = trace(function, *args)
    avals = enumerate(program.jaxpr.in_avals)
    moving = [i for i, aval in avals if is_inexact(aval)]
    sites = call_sites(build_graph(program.jaxpr), moving)
    found = []
    for site in sites:
        kind = site.equation.primitive.removesuffix("_call")
        found.append(f"{calls.custom_rule_name(site.equation.raw)[0]} ({kind})")
    return [*dict.fromkeys(found)]
