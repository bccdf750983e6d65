"""What a layer is tried on, and what is computed with it over and over."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdebug.programs.places import is_inexact
from jaxdebug.testing.layers.layer import Layer, Variables

SPREAD = 0.25
"""By what part of their size parameters are moved from where they begin: those that
begin at 0 or 1 hide mistakes in what is done with them."""

ROUNDINGS = 2.0
"""By how many roundings inputs are moved to see what roundings do."""


class Draw(NamedTuple):
    """What a layer is called with: one example of Hypothesis."""

    variables: Variables
    key: Any
    other_key: Any
    args: tuple[Any, ...]
    others: tuple[Any, ...]
    """Inputs of the same shapes."""


def output(layer: Layer, draw: Draw, *, training: bool = False) -> Any:
    """What the layer returns."""
    return layer.apply(draw.variables, draw.key, draw.args, training)[0]


def gradients(layer: Layer, draw: Draw, *, training: bool, wrap: Any = None) -> Any:
    """By parameters and inputs, of the output along a random cotangent.

    Args:
        layer: the layer.
        draw: what it is called with.
        training: its mode.
        wrap: a transformation of the function that is differentiated.
    """
    flat, tree = jax.tree.flatten(draw.args)
    moved = [i for i, moves in enumerate(layer.moving(draw.args)) if moves]

    def function(params: Any, inputs: list[Any]) -> list[Any]:
        leaves = list(flat)
        for i, leaf in zip(moved, inputs, strict=True):
            leaves[i] = leaf
        args = jax.tree.unflatten(tree, leaves)
        variables = draw.variables._replace(params=params)
        out, _ = layer.apply(variables, draw.key, args, training)
        return [leaf for leaf in jax.tree.leaves(out) if is_inexact(jax.typeof(leaf))]

    function = function if wrap is None else wrap(function)
    point = draw.variables.params, [flat[i] for i in moved]
    out, pull_back = jax.vjp(function, *point)
    cotangents = [
        scattered(leaf.shape, number).astype(leaf.dtype)
        for number, leaf in enumerate(out)
    ]
    params, inputs = pull_back(cotangents)
    return {"parameters": params, "inputs": inputs}


def scattered(shape: tuple[int, ...], number: Any) -> Any:
    """Numbers between -1 and 1 without a pattern that a layer could have.

    JAX's own random numbers take seconds to compile in a program of many.
    """
    size = math.prod(shape)
    turns = jnp.arange(size, dtype=jnp.float32) * 2.399963 + 1.7 * number + 0.3
    return jnp.cos(turns + 0.5 * jnp.sin(3.1 * turns)).reshape(shape)


def stacked(*trees: Any) -> Any:
    """Trees of one structure as one, with a new first axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


class Usual:
    """What a layer makes of what it is called with, computed once."""

    def __init__(self, layer: Layer, draw: Draw) -> None:
        self.layer, self.draw = layer, draw

    @cached_property
    def output(self) -> Any:
        """In evaluation."""
        return output(self.layer, self.draw)

    def of(self, args: tuple[Any, ...]) -> Any:
        """In evaluation, of other inputs."""
        return output(self.layer, self.draw._replace(args=args))

    @cached_property
    def both(self) -> Any:
        """Of the inputs and of the others, stacked."""
        return stacked(self.output, self.of(self.draw.others))

    @cached_property
    def gradients(self) -> Any:
        """In training, if the layer knows that mode."""
        return gradients(self.layer, self.draw, training=self.layer.has_modes)


def off_the_start(number: Any, params: Any) -> Any:
    """Parameters near those that a layer begins with."""
    leaves, tree = jax.tree.flatten(params)
    moved = [_moved(number + 13 * i, leaf) for i, leaf in enumerate(leaves)]
    return jax.tree.unflatten(tree, moved)


def _moved(number: Any, leaf: Any) -> Any:
    if not is_inexact(jax.typeof(leaf)) or not leaf.size:
        return leaf
    wide = leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32))
    size = jnp.sqrt(jnp.mean(jnp.abs(wide) ** 2))
    noise = SPREAD * jnp.where(size > 0, size, 1.0) * scattered(leaf.shape, number)
    return (wide + noise).astype(leaf.dtype)


def rounded(number: Any, tree: Any) -> Any:
    """The same arrays, some roundings off."""
    leaves, structure = jax.tree.flatten(tree)
    found = []
    for i, leaf in enumerate(leaves):
        if is_inexact(jax.typeof(leaf)):
            step = ROUNDINGS * float(jnp.finfo(leaf.dtype).eps)
            noise = scattered(leaf.shape, number + 7 * i)
            leaf = (leaf * (1 + step * noise)).astype(leaf.dtype)
        found.append(leaf)
    return jax.tree.unflatten(structure, found)
