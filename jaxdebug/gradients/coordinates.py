"""Two derivatives by one array, compared coordinate by coordinate."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxdebug.gradients.blocks import Box, bounding_box
from jaxdebug.programs._jax.sharding import replicated

FLOOR = 1e-3
"""Coordinates below this part of the largest are compared as if they were it: what
they are sums of may be larger than they are."""


COORDINATE = 1e-7
"""Relative gap of a coordinate up to which two gradients agree in float64."""

ROUNDING = 1e-13
"""Of the whole gradient, each leaf in its scale: below it a gap is rounding."""


ROUNDED_OFF = 64.0
"""Units in the last place that a primitive which keeps its native dtype may be off."""


class Coordinates(NamedTuple):
    """The worst coordinate; counts are float64, as everything beside them."""

    gap: Float[Any, "*arrays"]
    """Relative to the coordinate, or to `FLOOR` of the largest."""
    worst: Int[Any, "*arrays"]
    """Flat index of the coordinate with that gap."""
    found: Float[Any, "*arrays"]
    """The derivative there, its real part."""
    expected: Float[Any, "*arrays"]
    broken: Float[Any, "*arrays"]
    """Coordinates that are not finite although they are expected to be."""
    guarded: Float[Any, "*arrays"]
    """Coordinates that are finite although they are not expected to be."""
    absolute: Float[Any, "*arrays"]
    """The largest difference."""
    size: Float[Any, "*arrays"]
    """The largest coordinate that is expected."""


NO_GAP = Coordinates(*[0.0] * 8)._replace(worst=0)
"""Of what has no elements, or no other witness."""


def compared(found: Array, expected: Array) -> Coordinates:
    """Compare a derivative with another witness of it.

    Args:
        found: float64 or complex128.
        expected: of the same shape.
    """
    if not found.size:
        return jax.tree.map(jnp.asarray, NO_GAP)
    return replicated(_compared)(found, expected)


def _compared(found: Array, expected: Array) -> Coordinates:
    found, expected = found.reshape(-1), expected.reshape(-1)
    here, there = jnp.isfinite(found), jnp.isfinite(expected)
    gap, relative = _gaps(found, expected)
    at = jnp.argmax(relative).astype(jnp.int32)
    return Coordinates(
        relative[at],
        at,
        jnp.real(found)[at],
        jnp.real(expected)[at],
        jnp.sum(there & ~here).astype(jnp.float64),
        jnp.sum(here & ~there).astype(jnp.float64),
        gap.max(),
        jnp.max(jnp.where(there, jnp.abs(expected), 0)),
    )


def _gaps(found: Array, expected: Array) -> tuple[Array, Array]:
    """Of each coordinate, absolute and relative; 0 where one is not finite."""
    here, there = jnp.isfinite(found), jnp.isfinite(expected)
    size = jnp.where(there, jnp.abs(expected), 0)
    gap = jnp.where(here & there, jnp.abs(found - expected), 0)
    largest = size.max(initial=0)
    least = jnp.where(largest > 0, FLOOR * largest, 1)
    return gap, gap / jnp.maximum(size, least)


def wrong_box(
    found: Array, expected: Array, whole: Array, rounding: float, rank: int
) -> Box:
    """The box of coordinates that disagree, or are not finite although they should be.

    Args:
        found: float64 or complex128.
        expected: of the same shape.
        whole: norm of the whole gradient, in the units of these coordinates.
        rounding: gaps up to this part of the largest coordinate are rounding.
        rank: length of the indices.
    """
    gap, relative = _gaps(found, expected)
    there = jnp.isfinite(expected)
    largest = jnp.max(jnp.where(there, jnp.abs(expected), 0), initial=0)
    counts = gap > jnp.maximum(ROUNDING * whole, rounding * largest)
    broken = there & ~jnp.isfinite(found)
    return bounding_box(broken | ((relative > COORDINATE) & counts), rank)
