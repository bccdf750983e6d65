"""Two derivatives by one array, compared coordinate by coordinate."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

FLOOR = 1e-3
"""Coordinates below this part of the largest are compared as if they were it: what
they are sums of may be larger than they are."""


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


NO_GAP = Coordinates(*[0.0] * 7)._replace(worst=0)
"""Of what has no elements, or no other witness."""


def compared(found: Array, expected: Array) -> Coordinates:
    """Compare a derivative with another witness of it.

    Args:
        found: float64 or complex128.
        expected: of the same shape.
    """
    if not found.size:
        return jax.tree.map(jnp.asarray, NO_GAP)
    found, expected = found.reshape(-1), expected.reshape(-1)
    here, there = jnp.isfinite(found), jnp.isfinite(expected)
    size = jnp.where(there, jnp.abs(expected), 0)
    gap = jnp.where(here & there, jnp.abs(found - expected), 0)
    least = jnp.where(size.max() > 0, FLOOR * size.max(), 1)
    relative = gap / jnp.maximum(size, least)
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
