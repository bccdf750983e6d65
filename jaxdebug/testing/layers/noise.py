"""By how much roundings of what is given change what is made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxdebug.testing.layers.draw import rounded
from jaxdebug.testing.layers.gap import gaps

TRIES = 3
"""How often inputs are rounded anew to see what roundings change."""


def noise_of(
    plain: Mapping[str, Any], made: Callable[..., Mapping[str, Any]], *args: Any
) -> dict[str, list[Any]]:
    """The largest change of each leaf, by the name of the result; traced.

    Args:
        plain: what is made of the arguments as they are.
        made: of arguments, the same results.
        *args: pytrees of arrays.
    """

    def changed(number: Any) -> dict[str, list[Any]]:
        other = made(*rounded(number, args))
        return {
            name: [gap.worst for gap in gaps(tree, other[name])]
            for name, tree in plain.items()
        }

    # One after another: vmap is among what is tried.
    tries = jax.lax.map(changed, jnp.arange(1, TRIES + 1))
    return jax.tree.map(lambda leaf: jnp.max(leaf, 0), tries)
