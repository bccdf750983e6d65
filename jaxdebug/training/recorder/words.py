"""Arrays as 32-bit words: packed into one array, or summed up in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, UInt32

from jaxdebug.programs._jax.sharding import replicated
from jaxdebug.programs.random_keys import without_keys

_STEP = np.uint32(0x9E3779B9)
"""Tells positions apart: the golden ratio, as in Fibonacci hashing."""

_MIX = np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)
"""Multipliers of MurmurHash3's finalizer (Appleby)."""


def words(array: Array) -> UInt32[Array, " words"]:
    """The bits of an array, 32 to a word; narrower elements have a word each."""
    array = without_keys(array)
    if jnp.iscomplexobj(array):
        array = jnp.stack([array.real, array.imag], -1)
    if array.dtype == jnp.bool_:
        array = array.astype(jnp.uint8)
    size = array.dtype.itemsize
    if size < 4:
        narrow = lax.bitcast_convert_type(array, np.dtype(f"uint{8 * size}"))
        return narrow.astype(jnp.uint32).reshape(-1)
    return lax.bitcast_convert_type(array, jnp.uint32).reshape(-1)


def checksum(array: Array) -> UInt32[Array, ""]:
    """A sum over the mixed bits of each element and its position.

    The same on every device and under every sharding: 32-bit sums have no order.
    """
    bits = words(array)
    mixed = bits + lax.iota(jnp.uint32, bits.size) * _STEP
    for shift, factor in zip((16, 13), _MIX, strict=True):
        mixed = (mixed ^ (mixed >> shift)) * factor
    return jnp.sum(mixed ^ (mixed >> 16), dtype=jnp.uint32)


def checksums(arrays: Sequence[Array]) -> UInt32[Array, " arrays"]:
    """The checksum of each array."""
    if not arrays:
        return jnp.zeros((0,), jnp.uint32)
    return jnp.stack([replicated(checksum)(array) for array in arrays])


def pack(tree: Any) -> UInt32[Array, " words"]:
    """All arrays of a pytree as one: a single transfer fetches it."""
    parts = [words(leaf) for leaf in jax.tree.leaves(tree)]
    return jnp.concatenate(parts) if parts else jnp.zeros((0,), jnp.uint32)


class Packing(NamedTuple):
    """How a packed pytree is taken apart on the host."""

    tree: Any
    leaves: tuple[jax.ShapeDtypeStruct, ...]

    def unpack(self, packed: np.ndarray) -> Any:
        """The pytree, of NumPy arrays."""
        found, start = [], 0
        for leaf in self.leaves:
            size = leaf.dtype.itemsize
            count = leaf.size * max(1, size // 4)
            part = packed[start : start + count]
            start += count
            if size < 4:
                part = part.astype(f"uint{8 * size}")
            found.append(part.view(leaf.dtype).reshape(leaf.shape))
        return jax.tree.unflatten(self.tree, found)


def packing_of(structs: Any) -> Packing:
    """How a pytree of such shapes and dtypes is packed."""
    leaves, tree = jax.tree.flatten(structs)
    return Packing(tree, tuple(jax.ShapeDtypeStruct(x.shape, x.dtype) for x in leaves))
