"""Pytrees of arrays like a given one."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from hypothesis import strategies as st

from jaxdebug.testing.strategies.arrays import arrays


def pytrees_like(tree: Any, **settings: Any) -> st.SearchStrategy[Any]:
    """Pytrees with the structure, shapes and dtypes of one, such as gradients.

    Args:
        tree: of arrays, numbers or `jax.ShapeDtypeStruct`.
        **settings: as of `arrays`, for every leaf.

    Raises:
        ValueError: as `arrays` does.

    Example:
        >>> import jax.numpy as jnp
        >>> from hypothesis import given
        >>> @given(pytrees_like({"w": jnp.ones((2, 3)), "n": jnp.int32(0)}))
        ... def test(tree):
        ...     assert tree["w"].shape == (2, 3)
        >>> test()
    """
    leaves, structure = jax.tree.flatten(tree)
    kinds = [leaf if hasattr(leaf, "shape") else jnp.asarray(leaf) for leaf in leaves]
    each = [arrays(tuple(leaf.shape), leaf.dtype, **settings) for leaf in kinds]
    return st.tuples(*each).map(lambda drawn: jax.tree.unflatten(structure, drawn))
