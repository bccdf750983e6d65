"""Classes as one-hot vectors."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxdebug.testing.strategies.arrays import Shape


def one_hot(
    shape: Shape, classes: int, dtype: Any = "float32", *, smoothing: float = 0.0
) -> st.SearchStrategy[Any]:
    """One-hot vectors of classes, along a new last axis.

    Args:
        shape: of the classes, such as that of a batch.
        classes: how many there are.
        dtype: of the vectors.
        smoothing: what part is spread over all classes.

    Raises:
        ValueError: if there is no class, or `smoothing` is not between 0 and 1.

    Example:
        >>> from hypothesis import given
        >>> @given(one_hot((2,), 3))
        ... def test(x):
        ...     assert x.sum(axis=-1).tolist() == [1.0, 1.0]
        >>> test()
    """
    if classes < 1 or not 0 <= smoothing <= 1:
        raise ValueError(
            "one_hot expects one class or more and smoothing between 0 and 1; found "
            f"classes={classes}, smoothing={smoothing}"
        )
    numbers = hnp.arrays(np.int32, shape, elements=st.integers(0, classes - 1))

    def made(number: np.ndarray) -> Any:
        vectors = number[..., None] == np.arange(classes)
        return jnp.asarray(vectors * (1 - smoothing) + smoothing / classes, dtype)

    return numbers.map(made)
