"""Gaussian directions drawn on the device, keyed on the paths of leaves.

A direction is drawn where it is used and never stored: a certificate for ten
million parameters needs the memory of one direction. The key of a leaf is made
from its path, so that adding a leaf re-rolls nothing. All leaves are one draw:
one for each leaf takes seconds to compile. The bits are a hash of key and position,
because JAX's generator takes half as long as the loss of a transformer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, UInt32

from jaxdebug.programs._jax.sharding import sharded_like

FALLBACK_SCALE = 1e-2
"""Scale of a leaf that is zero everywhere, such as a fresh bias: of the order of
what the first updates give it."""

NEAR = 1e-3
"""Displacement of operands, relative to their scale, that leaves a kink."""

BLOCK = 256
"""Numbers that are drawn from one key: a leaf has as many keys as it needs."""

SPREAD = np.uint32(0x85157AF5)
"""Odd, so that the products of integers with it are all different."""


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
    key, other = drawn.words[:, 0], drawn.words[:, 1]

    def normals() -> Array:
        own = _mixed(_mixed(key + drawn.blocks * SPREAD) + jnp.uint32(index) * SPREAD)
        lanes = lax.iota(jnp.uint32, BLOCK) * SPREAD
        bits = _mixed(lanes + own[:, None]) ^ _mixed(own ^ other)[:, None]
        # 23 bits and a half: exact in float32, and never one: its normal is infinite.
        uniform = ((_mixed(bits) >> 9).astype(jnp.float32) + 0.5) * 2.0**-22 - 1
        return (np.float32(np.sqrt(2)) * lax.erf_inv(uniform)).reshape(-1)

    # Always so; but without a branch XLA draws, and compiles the draw, in each kernel
    # that reads a leaf: with a hundred leaves twice the time of both.
    always = jnp.all(drawn.blocks[:1] == 0)
    flat = lax.cond(always, normals, lambda: jnp.zeros(key.size * BLOCK, np.float32))
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


def scales(
    leaves: Sequence[np.ndarray], gradients: Sequence[np.ndarray]
) -> Float[np.ndarray, " leaves"]:
    """By how much each leaf moves for each unit of a direction.

    Its root mean square; but a leaf that is tiny, such as a bias drawn with a
    deviation of 1e-6, moves as far as gives it a part in the slope, up to what the
    first updates would move it by. Else its gradient would have no weight.

    Args:
        leaves: on the host, float64 or complex128.
        gradients: of the function by each.
    """
    sizes = np.array([_rms(leaf) for leaf in leaves])
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.array([np.linalg.norm(gradient) for gradient in gradients])
        slopes = sizes * norms
    whole = np.max(slopes, where=np.isfinite(slopes), initial=0.0)
    fair = (whole > 0) & (norms > 0) & np.isfinite(norms)
    far = np.where(fair, whole / np.where(fair, norms, 1), FALLBACK_SCALE)
    return np.maximum(sizes, np.minimum(FALLBACK_SCALE, far))


def _rms(leaf: np.ndarray) -> float:
    """Root mean square of the finite elements; 0 if there are none."""
    size = np.abs(leaf)
    size = size[np.isfinite(size)]
    largest = float(size.max(initial=0.0))
    return largest * float(np.sqrt(np.mean((size / largest) ** 2))) if largest else 0.0


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
        drawn.append(sharded_like(whole.astype(array.dtype), array))
    return drawn


def _hashed(array: Any, start: Array) -> Array:
    bits = lax.iota(jnp.uint32, array.size).reshape(array.shape) * SPREAD
    bits = _mixed(bits + start)
    size = 0.5 + (bits >> 1).astype(jnp.float64) * 2.0**-31
    return jnp.where(bits & 1, size, -size)


def _mixed(bits: Array) -> Array:
    """The finalizer of MurmurHash3 (Appleby), a bijection of 32-bit integers."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        bits = (bits ^ (bits >> shift)) * jnp.uint32(factor)
    return bits ^ (bits >> 16)


def displaced(point: Sequence[Any], seed: int) -> list[Any]:
    """Operands nearby; those that are not zero keep their sign.

    Args:
        point: float64 or complex128.
        seed: of the displacement.
    """
    shifts = noise(point, seed)
    return [
        p + NEAR * jnp.where(p == 0, own_scale(p), p) * s
        for p, s in zip(point, shifts, strict=True)
    ]


def own_scale(array: Any) -> Array:
    """Root mean square, 1 for zeros."""
    if not array.size:
        return jnp.ones(())
    mean = jnp.mean(jnp.abs(array) ** 2)
    return jnp.where(mean > 0, jnp.sqrt(mean), 1.0)
