"""States on other devices, and batches with NaN."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxdebug.programs.places import is_inexact


def moved(state: Any, *, over: bool) -> Any:
    """The same state on two devices, or on the first.

    Args:
        state: a pytree of arrays.
        over: whether first axes that two divides are divided; else all is on one.
    """
    first, second = jax.devices()[:2]
    mesh = Mesh(np.array([first, second]), ("data",))
    divided, whole = (NamedSharding(mesh, PartitionSpec(*a)) for a in (["data"], []))

    def place(leaf: Any) -> Any:
        if not over:
            # Not committed, so that it can meet arrays on other devices.
            return jnp.asarray(np.array(leaf))
        divides = np.ndim(leaf) and leaf.shape[0] and leaf.shape[0] % 2 == 0
        return jax.device_put(leaf, divided if divides else whole)

    return jax.tree.map(place, state)


def spoiled(batch: Any) -> Any:
    """The batch, with NaN for the first element of each floating array."""

    def spoil(leaf: Any) -> Any:
        if not is_inexact(jax.typeof(leaf)) or not np.size(leaf):
            return leaf
        flat = jnp.asarray(leaf).reshape(-1).at[0].set(jnp.nan)
        return flat.reshape(np.shape(leaf))

    return jax.tree.map(spoil, batch)
