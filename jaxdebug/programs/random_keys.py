"""Keys of random numbers: arrays of a dtype of their own, which no NumPy array has."""

from __future__ import annotations

from typing import Any

import jax


def is_key(leaf: Any) -> bool:
    """Whether it is an array of typed keys, of `jax.random.key`.

    Args:
        leaf: anything; what has no dtype is none.
    """
    dtype = getattr(leaf, "dtype", None)
    return dtype is not None and jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key)


def without_keys(leaf: Any) -> Any:
    """The numbers of a key; anything else as it is."""
    return jax.random.key_data(leaf) if is_key(leaf) else leaf
