"""Two derivatives by one array, compared coordinate by coordinate."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

FLOOR = 1e-3
"""Coordinates below this part of the largest are compared as if they were it: what
they are sums of may be larger than they are."""


COORDINATE = 1e-7
"""Relative gap of a coordinate up to which two gradients agree in float64."""

ROUNDING = 1e-13
"""Of the whole gradient, each leaf in its scale: below it a gap is rounding."""


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


def compared(found: Array, expected: Array) -> Coordinates:
    """Compare a derivative with another witness of it.

    Args:
        found: float64 or complex128.
        expected: of the same shape.
    """
    zero = jnp.zeros(())
    if not found.size:
        return Coordinates(zero, jnp.zeros((), jnp.int32), *[zero] * 5)
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
    )


def _gaps(found: Array, expected: Array) -> tuple[Array, Array]:
    """Of each coordinate, absolute and relative; 0 where one is not finite."""
    here, there = jnp.isfinite(found), jnp.isfinite(expected)
    size = jnp.where(there, jnp.abs(expected), 0)
    gap = jnp.where(here & there, jnp.abs(found - expected), 0)
    largest = size.max(initial=0)
    least = jnp.where(largest > 0, FLOOR * largest, 1)
    return gap, gap / jnp.maximum(size, least)


def disagree(found: Array, expected: Array, rounding: Array) -> Array:
    """Which coordinates disagree, or are not finite although they should be.

    Args:
        found: float64 or complex128.
        expected: of the same shape.
        rounding: gaps up to this are rounding.
    """
    gap, relative = _gaps(found, expected)
    broken = jnp.isfinite(expected) & ~jnp.isfinite(found)
    return broken | ((relative > COORDINATE) & (gap > rounding))
