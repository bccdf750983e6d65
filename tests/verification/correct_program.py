"""A program whose gradient is right, and arguments of it for every seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Correct(NamedTuple):
    """A function of a library, at as many points as there are seeds.

    Attributes:
        function: of the arguments; differentiated by the first.
        draw: the arguments; shapes and dtypes are always the same.
    """

    function: Callable[..., Any]
    draw: Callable[[np.random.Generator], tuple[Any, ...]]

    def args(self, seed: int) -> tuple[Any, ...]:
        """The arguments at a seed: what is inexact and has no dtype yet is float32."""
        return jax.tree.map(_placed, self.draw(np.random.default_rng(seed)))


def _placed(leaf: Any) -> Any:
    narrow = isinstance(leaf, np.ndarray | float) and np.asarray(leaf).dtype == float
    return jnp.asarray(leaf, jnp.float32) if narrow else leaf


def scaled(
    rng: np.random.Generator, *shape: int, low: float = -2.0, high: float = 1.0
) -> np.ndarray:
    """Normal numbers times a scale between two powers of ten."""
    return rng.normal(size=shape) * 10 ** rng.uniform(low, high)


def some(rng: np.random.Generator, array: np.ndarray, value: Any) -> np.ndarray:
    """The array with a quarter of its elements replaced: where functions have kinks."""
    return np.where(rng.random(array.shape) < 0.25, value, array)


def spread(rng: np.random.Generator, count: int, gap: float) -> np.ndarray:
    """Positive numbers in descending order, two of them that gap apart, none closer."""
    steps = gap + rng.uniform(0.2, 1.0, count)
    steps[rng.integers(1, count)] = gap
    return np.cumsum(steps)[::-1]


def orthogonal(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Columns of length one at right angles."""
    return np.linalg.qr(rng.normal(size=(rows, columns)))[0]


def filled(rng: np.random.Generator, tree: Any) -> Any:
    """New values for the inexact leaves of a module: as an initialiser's, or trained.

    Biases are zero at every other seed, gains then one; leaves that are no floating-
    point arrays are kept.
    """
    trained = bool(rng.integers(2))

    def one(path: Any, leaf: Any) -> Any:
        name = jax.tree_util.keystr(path).lower()
        dtype = getattr(leaf, "dtype", None)
        if dtype is None or not jnp.issubdtype(dtype, jnp.floating):
            return leaf
        drawn = rng.normal(size=leaf.shape)
        if leaf.ndim > 1:
            gain = 10 ** rng.uniform(-0.5, 0.5)
            drawn = drawn * gain / np.sqrt(np.prod(leaf.shape[:-1]))
        elif "bias" in name or "mean" in name:
            drawn = 0.3 * trained * drawn
        else:
            drawn = 1 + 0.3 * trained * np.tanh(drawn)
        return jnp.asarray(drawn, dtype)

    return jax.tree.map_with_path(one, tree)
