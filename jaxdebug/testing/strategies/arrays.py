"""Arrays of JAX's dtypes, with the values at which layers go wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

Shape = tuple[int, ...]

SHAPES: tuple[Shape, ...] = ((3, 4), (1, 4), (5, 1))
"""Few, so that few programs are compiled; one axis of each kind has size 1."""


def _random(array: np.ndarray) -> np.ndarray:
    return array


def _ties(array: np.ndarray) -> np.ndarray:
    return np.round(array)


def _constant_rows(array: np.ndarray) -> np.ndarray:
    return np.broadcast_to(array[..., :1], array.shape) if array.ndim else array


def _zeros(array: np.ndarray) -> np.ndarray:
    return np.zeros_like(array)


def _one_hot(array: np.ndarray) -> np.ndarray:
    if not array.ndim:
        return array
    return (array == array.max(-1, keepdims=True)).astype(array.dtype)


def _padded(array: np.ndarray) -> np.ndarray:
    """Zeros from the middle of the second axis on."""
    if array.ndim < 2:
        return array
    array = array.copy()
    array[:, array.shape[1] // 2 :] = 0
    return array


def _huge(array: np.ndarray) -> np.ndarray:
    return array * np.asarray(1e6, array.dtype)


def _tiny(array: np.ndarray) -> np.ndarray:
    return array * np.asarray(1e-20, array.dtype)


KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "random": _random,
    "ties": _ties,
    "constant rows": _constant_rows,
    "zeros": _zeros,
    "one-hot": _one_hot,
    "padded": _padded,
    "huge": _huge,
    "tiny": _tiny,
}

MODERATE = ("random", "ties", "constant rows", "zeros", "one-hot", "padded")


def arrays(
    shape: Shape | Sequence[Shape] | st.SearchStrategy[Shape] | None = None,
    dtype: Any = "float32",
    *,
    low: float = -3.0,
    high: float = 3.0,
    kinds: Sequence[str] = MODERATE,
    avoid: Sequence[float] = (),
) -> st.SearchStrategy[Any]:
    """Arrays of JAX, of few shapes.

    Args:
        shape: a shape, several, or a strategy of shapes such as `array_shapes()` for
            free ones. By default three, each with another axis of size 1.
        dtype: any of JAX's, bfloat16 and the 8-bit floats too.
        low: least value, before a kind changes it.
        high: largest value.
        kinds: what of: `random`, `ties` (whole numbers), `constant rows`, `zeros`,
            `one-hot`, `padded` (the second half of the second axis is zero), `huge`
            and `tiny` (magnitudes of 1e6 and 1e-20).
        avoid: values that no element is near, such as kinks. An element that is within
            a thousandth of the range is moved away.

    Returns:
        A strategy of arrays, without subnormal numbers.

    Raises:
        ValueError: if a kind is not known, or the range is empty.

    Example:
        >>> from hypothesis import given
        >>> @given(arrays((2, 3), avoid=[0.0]))
        ... def test(x):
        ...     assert x.shape == (2, 3)
        >>> test()
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        raise ValueError(
            f"arrays expects kinds to be some of {', '.join(KINDS)}; found {kinds!r}"
        )
    if not low < high:
        raise ValueError(f"arrays expects low < high; found low={low}, high={high}")
    narrow = jnp.dtype(dtype)
    shapes = _shapes(shape)
    if not jnp.issubdtype(narrow, jnp.inexact):
        elements: Any = st.integers(int(np.ceil(low)), int(np.floor(high)))
        if narrow == jnp.bool_:
            elements = st.booleans()
        whole = shapes.flatmap(lambda s: hnp.arrays(narrow, s, elements=elements))
        return whole.map(jnp.asarray)
    elements = st.floats(
        float(np.float32(low)), float(np.float32(high)), width=32, allow_subnormal=False
    )
    # What Hypothesis draws is simple and often repeats a number, so that much holds of
    # it by chance; every other array is of ordinary numbers.
    drawn = shapes.flatmap(lambda s: hnp.arrays(np.float32, s, elements=elements))
    numbers = drawn | shapes.flatmap(lambda s: _ordinary(s, low, high))
    gap = (high - low) / 1000

    def made(array: np.ndarray, kind: str) -> Any:
        array = KINDS[kind](np.asarray(array, np.float64))
        for point in avoid:
            near = np.abs(array - point) < gap
            array = np.where(near, point + gap * np.where(array < point, -2, 2), array)
        return jnp.asarray(array.astype(np.float32)).astype(narrow)

    return st.builds(made, numbers, st.sampled_from(list(kinds)))


def _ordinary(shape: Shape, low: float, high: float) -> st.SearchStrategy[np.ndarray]:
    """Arrays whose elements spread over a range, and shrink towards zero."""
    size = 2 * math.prod(shape)
    nearest = min(max(0.0, low), high)

    def made(drawn: bytes) -> np.ndarray:
        # Two bytes an element: one draw of Hypothesis, however large the array is. What
        # it shrinks to are simple parts of the range: none of it, half, a quarter.
        bits = np.unpackbits(np.frombuffer(drawn, np.uint8)).reshape(-1, 16)
        parts = (bits[:, :0:-1] @ 0.5 ** np.arange(1, 16)).reshape(shape)
        if low < 0.0 < high:
            ends: Any = np.where(bits[:, 0].reshape(shape), low, high)
        else:
            ends = high if nearest == low else low
        return nearest + (ends - nearest) * parts

    return st.binary(min_size=size, max_size=size).map(made)


def _shapes(shape: Any) -> st.SearchStrategy[Shape]:
    if shape is None:
        shape = SHAPES
    if isinstance(shape, st.SearchStrategy):
        return shape
    if isinstance(shape, int):
        return st.just((shape,))
    given, shape = shape, () if isinstance(shape, str) else tuple(shape)
    if not shape and not isinstance(given, tuple):
        raise ValueError(
            "arrays expects shape to be a shape such as (3, 4), several, or a strategy "
            f"of shapes; found {given!r}"
        )
    if all(isinstance(length, int | np.integer) for length in shape):
        return st.just(shape)
    return st.sampled_from([tuple(one) for one in shape])


def batches(
    shape: Shape | int = (4,),
    sizes: Sequence[int] | int = (3, 1, 2),
    **settings: Any,
) -> st.SearchStrategy[Any]:
    """Batches of few sizes of examples of one shape.

    Args:
        shape: of an example.
        sizes: of batches.
        **settings: as of `arrays`.

    Example:
        >>> from hypothesis import given
        >>> @given(batches((4,)))
        ... def test(x):
        ...     assert x.shape[1:] == (4,)
        >>> test()
    """
    sizes = (sizes,) if isinstance(sizes, int) else tuple(sizes)
    if not sizes:
        raise ValueError("batches expects a size or more in sizes; found none")
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return arrays([(size, *shape) for size in sizes], **settings)
