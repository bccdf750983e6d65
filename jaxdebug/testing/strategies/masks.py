"""Masks: which elements count."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxdebug.testing.strategies.arrays import Shape

KINDS = ("random", "padding", "everything", "nothing")


def masks(
    shape: Shape, dtype: Any = bool, *, empty_rows: bool = False
) -> st.SearchStrategy[Any]:
    """Masks of a shape: any, or padding at the end of the last axis, or everything.

    Args:
        shape: of the mask.
        dtype: what they are of; 1 where an element counts.
        empty_rows: whether there may be rows along the last axis of which nothing
            counts, and masks of nothing at all.

    Example:
        >>> from hypothesis import given
        >>> @given(masks((2, 3)))
        ... def test(mask):
        ...     assert mask.any(axis=1).all()
        >>> test()
    """
    kinds = [kind for kind in KINDS if empty_rows or kind != "nothing"]

    def made(array: np.ndarray, kind: str) -> Any:
        if kind == "padding" and array.ndim:
            kept = array.sum(-1, keepdims=True)
            array = np.arange(array.shape[-1]) < kept
        elif kind in ("everything", "nothing"):
            array = np.full(array.shape, kind == "everything")
        if not empty_rows:
            first = np.arange(array.shape[-1]) == 0 if array.ndim else True
            array = array | (first & ~array.any(-1, keepdims=True))
        return jnp.asarray(array, dtype)

    return st.builds(made, hnp.arrays(bool, shape), st.sampled_from(kinds))
