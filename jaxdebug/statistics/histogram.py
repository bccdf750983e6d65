"""A histogram of magnitudes by powers of two, for each sign."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Int, Num

from jaxdebug.statistics.statistic import Statistic

LOWEST = -40
BINS = 64
"""From 2**-40, below half the smallest float16, to 2**24; the ends keep the rest."""


def binned(array: Num[Array, "*shape"]) -> Int[Array, "2 bins"]:
    """Finite non-zero elements by sign (negative first) and floor(log2|x|).

    Cost:
        A scatter over the array: several times its core statistics on a CPU.
    """
    flat = lax.stop_gradient(jnp.asarray(array)).reshape(-1)
    if jnp.iscomplexobj(flat):
        flat = jnp.abs(flat)
    flat = flat.astype(np.float32)
    _, exponent = jnp.frexp(flat)
    place = jnp.clip(exponent.astype(np.int32) - 1 - LOWEST, 0, BINS - 1)
    place = place + jnp.where(flat > 0, BINS, 0).astype(np.int32)
    counted = jnp.isfinite(flat) & (flat != 0)
    counts = jnp.zeros(2 * BINS, np.int32)
    return counts.at[place].add(counted.astype(np.int32), mode="clip").reshape(2, BINS)


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
