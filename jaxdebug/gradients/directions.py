"""Random directions and displacements, keyed on the names of leaves.

The seed of a leaf is made from its path, so adding a leaf re-rolls nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

FALLBACK_SCALE = 1e-2
"""Scale of a leaf that is zero everywhere, such as a fresh bias: of the order of
what the first updates give it."""


def rms(array: Float[np.ndarray, " ..."]) -> float:
    """Root mean square of the finite values; 0 if there are none."""
    size = np.abs(array)
    size = size[np.isfinite(size)]
    largest = float(size.max(initial=0.0))
    if largest == 0.0:
        return 0.0
    return largest * float(np.sqrt(np.mean((size / largest) ** 2)))


def gaussian(
    leaf: Float[np.ndarray, " ..."], path: Sequence[str], purpose: str, seed: int | str
) -> Float[np.ndarray, " ..."]:
    """A Gaussian direction of the leaf's shape and scale, real or complex as it is.

    Args:
        leaf: float64 or complex128.
        path: of the leaf; together with purpose and seed it decides the draw.
        purpose: what the direction is for; another purpose is another draw.
        seed: of all leaves.
    """
    text = "\0".join((str(seed), purpose, *path)).encode("utf-8", "surrogatepass")
    words = np.frombuffer(hashlib.sha256(text).digest(), np.uint32)
    random = np.random.default_rng(words)
    direction = random.standard_normal(leaf.shape)
    if np.iscomplexobj(leaf):
        direction = direction + 1j * random.standard_normal(leaf.shape)
    return (rms(leaf) or FALLBACK_SCALE) * direction
