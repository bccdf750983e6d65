"""One leaf of a bundle: what is stored of it, and what tells it was not changed."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np

from jaxdebug.training.arrays import dtype_named

SCHEMA = "jaxdebug.bundle/1"
MANIFEST = "manifest.json"
ARRAYS = "arrays.npz"


class KeyBits(NamedTuple):
    """Keys of a random number generator.

    Attributes:
        bits: the key data, unsigned integers.
        implementation: such as `threefry2x32`.
    """

    bits: np.ndarray
    implementation: str


Leaf = np.ndarray | KeyBits


class Entry(NamedTuple):
    """What the manifest says of a leaf.

    Attributes:
        path: in the tree.
        dtype: of the array, from the closed list.
        shape: of the array.
        key: implementation, if it is one of keys.
        sha256: of the bytes.
    """

    path: str
    dtype: str
    shape: tuple[int, ...]
    key: str | None
    sha256: str


def stored(array: np.ndarray) -> np.ndarray:
    """The array as NumPy's own dtypes spell it: narrow floats as bits.

    Raises:
        ValueError: if its dtype is not in the closed list.
    """
    dtype = dtype_named(array.dtype.name)
    array = np.asarray(array.astype(dtype, copy=False), order="C")
    kept = stored_dtype(dtype)
    return array if kept == dtype else array.view(kept)


def stored_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype that stands for one in a file."""
    return dtype if dtype.isbuiltin == 1 else np.dtype(f"u{dtype.itemsize}")


def digest(array: np.ndarray) -> str:
    """What tells the bytes of an array from any others."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return hashlib.sha256(flat.view(np.uint8).data).hexdigest()
