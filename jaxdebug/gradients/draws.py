"""Gaussian directions drawn on the device, keyed on the paths of leaves.

A direction is drawn where it is used and never stored: a certificate for ten
million parameters needs the memory of one direction. The key of a leaf is made
from its path, so that adding a leaf re-rolls nothing. All leaves are one draw:
one for each leaf takes seconds to compile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, UInt32

BLOCK = 256
"""Numbers that are drawn from one key: a leaf has as many keys as it needs."""


class Draws(NamedTuple):
    """What the directions of all leaves are drawn from; an argument of a program."""

    words: UInt32[Any, "blocks 2"]
    """The key of the leaf that a block belongs to."""
    blocks: UInt32[Any, " blocks"]
    """The block's index in its leaf."""


def draws(
    paths: Sequence[Sequence[str]], leaves: Sequence[Any], seed: int | str
) -> Draws:
    """Keys for directions of these leaves.

    Args:
        paths: of each leaf.
        leaves: arrays or avals.
        seed: of all leaves.
    """
    words, blocks = [], []
    for path, leaf in zip(paths, leaves, strict=True):
        text = "\0".join((str(seed), *path)).encode("utf-8", "surrogatepass")
        key = np.frombuffer(hashlib.sha256(text).digest(), np.uint32)[:2]
        count = -(-_numbers(leaf) // BLOCK)
        words.append(np.broadcast_to(key, (count, 2)))
        blocks.append(np.arange(count, dtype=np.uint32))
    return Draws(np.concatenate(words), np.concatenate(blocks))


def direction(drawn: Draws, index: Any, leaves: Sequence[Any]) -> list[Array]:
    """One standard normal direction, for use inside a trace with float64.

    Args:
        drawn: the keys.
        index: which direction, from 0; may be traced.
        leaves: arrays of the shapes and dtypes of the result.
    """

    def block(words: Any, count: Any) -> Array:
        key = jax.random.wrap_key_data(words, impl="threefry2x32")
        key = jax.random.fold_in(jax.random.fold_in(key, count), index)
        return jax.random.normal(key, (BLOCK,), jnp.float32)

    flat = jax.vmap(block)(drawn.words, drawn.blocks).reshape(-1)
    parts, start = [], 0
    for leaf in leaves:
        count = _numbers(leaf)
        part = lax.slice(flat, (start,), (start + count,)).astype(jnp.float64)
        if jnp.iscomplexobj(leaf):
            part = lax.complex(part[: count // 2], part[count // 2 :])
        parts.append(part.reshape(leaf.shape))
        start += -(-count // BLOCK) * BLOCK
    return parts


def _numbers(leaf: Any) -> int:
    """Real numbers in a leaf."""
    complex_ = jax.dtypes.issubdtype(leaf.dtype, np.complexfloating)
    return int(np.prod(leaf.shape, dtype=np.int64)) * (2 if complex_ else 1)


def scale(leaf: Array, fallback: float) -> Array:
    """Root mean square of the finite elements; the fallback where that is zero."""
    size = jnp.abs(leaf)
    finite = jnp.isfinite(size)
    count = jnp.maximum(jnp.sum(finite), 1)
    largest = jnp.max(jnp.where(finite, size, 0), initial=0)
    safe = jnp.where(largest > 0, largest, 1)
    mean = jnp.sum(jnp.where(finite, size / safe, 0) ** 2) / count
    return jnp.where(largest > 0, largest * jnp.sqrt(mean), fallback)


def noise(like: Sequence[Any], seed: Any) -> list[Any]:
    """Numbers of either sign between 1/2 and 3/2, by a hash of their index.

    What compares coordinates needs no more; a draw of JAX's takes a second to
    compile, and each call needs several.
    """
    drawn = []
    for position, array in enumerate(like):
        start = jnp.uint32(seed) + jnp.uint32(0x9E3779B9 * (position + 1) % 2**32)
        parts = [
            _hashed(array, start + jnp.uint32(part))
            for part in range(1 + jnp.iscomplexobj(array))
        ]
        whole = parts[0] if len(parts) == 1 else lax.complex(*parts)
        drawn.append(whole.astype(array.dtype))
    return drawn


def _hashed(array: Any, start: Array) -> Array:
    """The finalizer of MurmurHash3 (Appleby), a bijection of 32-bit integers."""
    bits = lax.iota(jnp.uint32, array.size).reshape(array.shape) * jnp.uint32(
        0x85157AF5
    )
    bits = bits + start
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        bits = (bits ^ (bits >> shift)) * jnp.uint32(factor)
    bits = bits ^ (bits >> 16)
    size = 0.5 + (bits >> 1).astype(jnp.float64) * 2.0**-31
    return jnp.where(bits & 1, size, -size)
