"""Values of the function with a box of one leaf moved, and what the gradient says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxdebug.gradients.draws import Draws, noise
from jaxdebug.gradients.evaluation import (
    Values,
    contraction,
    displaced,
    moved,
    scaled,
)
from jaxdebug.gradients.witnesses import Witnesses

STEPS = (1e-3, 1e-4, 1e-5)
"""Relative to the leaf's scale. Larger than those for whole leaves: few elements move,
so that the function hardly bends and the noise of its values weighs more."""

SEED = 0x10CA7E
"""Of the direction: one for all boxes, so that what they make wrong adds up."""


class Base(NamedTuple):
    """What is the same for all boxes."""

    point: Sequence[Array]
    """All flat arguments."""
    value: Float[Array, ""]
    gradient: Sequence[Array]


class Masked(NamedTuple):
    """What one box says."""

    values: Float[Any, "steps 2"]
    """Of the function, forward and backward."""
    slope: Float[Any, ""]
    """By the gradient."""
    size: Float[Any, ""]
    """Norm of the box's gradient, in the scale of the leaf."""


def base(
    those: Witnesses,
    leaves: Sequence[Array],
    cotangents: Sequence[Array],
    drawn: Draws,
    sizes: Array,
    displacement: Any,
) -> Base:
    """The point near which boxes move, with value and gradient there.

    Args:
        those: the programs.
        leaves: flat arguments, float64 where inexact.
        cotangents: of the inexact outputs.
        drawn: what directions are drawn from.
        sizes: by which each leaf moves for each unit of a direction.
        displacement: of the point, relative to each leaf's scale.
    """
    point = displaced(those, leaves, drawn, sizes, displacement)
    results = those.function.apply(point)
    whole = those.gradient.apply([*point, *cotangents])
    value = contraction(those, cotangents)(results)
    return Base(point, value, whole[len(results) :])


def masked(
    those: Witnesses,
    function: Values,
    start: Base,
    cotangents: Sequence[Array],
    sizes: Array,
    leaf: Array,
    low: Array,
    high: Array,
) -> Masked:
    """Move a box of one leaf along the direction.

    Args:
        those: the programs.
        function: whose values they are.
        start: the point.
        cotangents: of the inexact outputs.
        sizes: by which each leaf moves for each unit of a direction.
        leaf: which one.
        low: first index along each axis; as many as the leaf of most axes has.
        high: one past the last.

    Cost:
        Two values for each step, one after another.
    """
    moving = [start.point[place] for place in those.moving]
    steps = scaled(noise(moving, SEED), list(sizes))
    moves = [
        jnp.where((leaf == index) & _inside(array, low, high), step, 0)
        for index, (array, step) in enumerate(zip(moving, steps, strict=True))
    ]
    slopes = [
        jnp.sum(jnp.real(jnp.where(m == 0, 0, g * m)))
        for g, m in zip(start.gradient, moves, strict=True)
    ]
    norms = [
        jnp.sum(jnp.abs(jnp.where(m == 0, 0, g * m)) ** 2)
        for g, m in zip(start.gradient, moves, strict=True)
    ]

    def value(amount: Array) -> Array:
        every = moved(those, start.point, moves, amount)
        return contraction(those, cotangents)(function(start.point, every))

    amounts = jnp.asarray([sign * step for step in STEPS for sign in (1.0, -1.0)])
    return Masked(
        lax.map(value, amounts).reshape(-1, 2), sum(slopes), jnp.sqrt(sum(norms))
    )


def _inside(array: Array, low: Array, high: Array) -> Array:
    inside = jnp.ones(array.shape, bool)
    for axis in range(array.ndim):
        place = lax.broadcasted_iota(jnp.int32, array.shape, axis)
        inside &= (place >= low[axis]) & (place < high[axis])
    return inside
