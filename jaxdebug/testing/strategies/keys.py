"""Keys of JAX's random numbers."""

from __future__ import annotations

from typing import Any

import jax
from hypothesis import strategies as st


def keys() -> st.SearchStrategy[Any]:
    """Keys of `jax.random.key`; they shrink towards `jax.random.key(0)`.

    Example:
        >>> import jax
        >>> from hypothesis import given
        >>> @given(keys())
        ... def test(key):
        ...     assert jax.random.uniform(key).shape == ()
        >>> test()
    """
    return st.integers(0, 2**32 - 1).map(jax.random.key)
