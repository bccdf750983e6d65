"""Arrays as raw bytes with the name of their dtype, from a closed list.

Nothing is executed when they are read: no pickle, no object arrays, no dtype that the
list does not hold. Bytes are little-endian, in C order.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

_NUMPY = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"),
    *("uint64", "float16", "float32", "float64", "complex64", "complex128"),
)
# Of ml_dtypes, which JAX takes its narrow dtypes from; some are of later versions.
_NARROW = (
    *("bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz"),
    *("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"),
    *("float8_e8m0fnu", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn"),
    *("int1", "int2", "int4", "uint1", "uint2", "uint4"),
)
DTYPES = (*_NUMPY, *_NARROW)
"""Every dtype that can be stored."""


class RawArray(NamedTuple):
    """An array as bytes."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


def dtype_named(name: str) -> np.dtype[Any]:
    """The dtype of a name in `DTYPES`.

    Raises:
        ValueError: for any other name, and for one that the installed ml_dtypes lacks.
    """
    if name in _NUMPY:
        return np.dtype(name)
    narrow = _narrow().get(name)
    if narrow is None:
        known = "newer than the installed ml_dtypes" if name in _NARROW else "unknown"
        raise ValueError(
            f"expected a dtype of {', '.join(DTYPES)}; {name!r} is {known}"
        )
    return narrow


@functools.cache
def _narrow() -> dict[str, np.dtype[Any]]:
    import ml_dtypes

    kinds = {name: getattr(ml_dtypes, name, None) for name in _NARROW}
    return {name: np.dtype(kind) for name, kind in kinds.items() if kind is not None}


def to_raw(array: Any) -> RawArray:
    """The bytes of a host array, copied.

    Raises:
        ValueError: if its dtype is not in `DTYPES`, such as object or text.
    """
    array = np.asarray(array)
    dtype = dtype_named(array.dtype.name)
    # One of another byte order has the same name.
    return RawArray(dtype.name, array.shape, _little(array.astype(dtype, copy=False)))


def from_raw(dtype: str, shape: Sequence[int], data: bytes) -> np.ndarray:
    """The array of some bytes, read-only.

    Raises:
        ValueError: if the bytes are not as many as dtype and shape ask for.
    """
    kind = dtype_named(dtype)
    if any(type(size) is not int or size < 0 for size in shape):
        raise ValueError(f"expected a shape of counts; found {shape!r}")
    expected = math.prod(shape) * kind.itemsize
    if len(data) != expected:
        raise ValueError(
            f"expected {expected} bytes for {dtype}{list(shape)}; found {len(data)}"
        )
    if sys.byteorder == "big" and dtype in _NUMPY:
        kind = kind.newbyteorder("<")
    return np.frombuffer(data, kind).reshape(shape)


def _little(array: np.ndarray) -> bytes:
    if sys.byteorder == "big":
        array = array.byteswap()
    return array.tobytes()
