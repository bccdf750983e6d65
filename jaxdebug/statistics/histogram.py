"""A histogram of magnitudes by powers of two, for each sign."""

from __future__ import annotations

from math import gcd
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Num

from jaxdebug.statistics.statistic import Statistic

LOWEST = -40
BINS = 64
"""From 2**-40, below half the smallest float16, to 2**24; the ends keep the rest."""


SAMPLED = 2**14
"""Elements of which a thinned histogram is, at most."""


def binned(array: Num[Array, "*shape"]) -> Int[Array, "2 bins"]:
    """Finite non-zero elements by sign (negative first) and floor(log2|x|).

    Cost:
        A scatter over the array: several times its core statistics on a CPU.
    """
    (counts,) = _binned_each(array)
    return counts


def _binned_each(*arrays: Num[Array, "*shape"]) -> tuple[Int[Array, "2 bins"], ...]:
    """The same of several arrays, side by side: each scatter takes long to compile."""
    parts = [_binnable(array) for array in arrays]
    first = [np.int32(2 * BINS * index) for index in range(len(parts))]
    firsts = [lax.full(flat.shape, at) for flat, at in zip(parts, first, strict=True)]
    flat, start = (lax.concatenate(each, 0) for each in (parts, firsts))
    counted = (jnp.isfinite(flat) & (flat != 0)).astype(np.int32)
    counts = jnp.zeros(2 * BINS * len(parts), np.int32)
    counts = counts.at[start + _bins(flat)].add(counted, mode="clip")
    return tuple(counts.reshape(-1, 2, BINS))


def _binnable(array: Num[Array, "*shape"]) -> Float[Array, " size"]:
    flat = lax.stop_gradient(jnp.asarray(array)).reshape(-1)
    return (jnp.abs(flat) if jnp.iscomplexobj(flat) else flat).astype(np.float32)


def _bins(flat: Float[Array, " size"]) -> Int[Array, " size"]:
    _, exponent = jnp.frexp(flat)
    place = jnp.clip(exponent.astype(np.int32) - 1 - LOWEST, 0, BINS - 1)
    return place + jnp.where(flat > 0, BINS, 0).astype(np.int32)


def _thinned(array: Num[Array, "*shape"]) -> Num[Array, " few"]:
    """Elements of an array evenly apart, `SAMPLED` at most; all of a smaller one."""
    flat = jnp.asarray(array).reshape(-1)
    apart = max(1, -(-flat.size // SAMPLED))
    # In step with no axis: of a matrix they come from all columns alike.
    while apart > 1 and gcd(apart, flat.size) > 1:
        apart += 1
    return lax.slice(flat, (0,), flat.shape, (apart,))


def _thinned_each(*arrays: Num[Array, "*shape"]) -> tuple[Int[Array, "2 bins"], ...]:
    return _binned_each(*map(_thinned, arrays))


def between_edges(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts of both signs as one histogram, which charts and sinks draw.

    Args:
        counts: of one array, on the host: by sign, then by power of two.

    Returns:
        Rising edges, and one count fewer. The bin around zero is empty: zeros are
        not counted.
    """
    magnitudes = 2.0 ** np.arange(LOWEST, LOWEST + BINS + 1)
    edges = np.concatenate([-magnitudes[::-1], magnitudes])
    negative, positive = np.asarray(counts)
    middle = np.zeros(1, negative.dtype)
    return edges, np.concatenate([negative[::-1], middle, positive])


def _read(counts: Any) -> dict[str, Any]:
    return {"histogram": np.asarray(counts).astype(np.int64)}


HISTOGRAM = Statistic("histogram", binned, _read)
"""Pre-binned counts by sign and power of two, for `probe(fn, statistics=...)`."""

THINNED = Statistic(
    "histogram",
    lambda array: _thinned_each(array)[0],
    _read,
    kinds=("parameter", "gradient", "update"),
    measure_each=_thinned_each,
)
"""The same of some elements of large arrays, for what is measured again and again."""
