"""What the optimiser makes of the same gradient on another scale."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jaxdebug.checks.learning.training import update
from jaxdebug.checks.subject import Subject

LARGE, LARGER = 1e6, 1e9
"""Scales on which nothing that is added to the root of a square counts any more."""

SAME = 0.1
"""Relative difference of two updates that do not depend on the gradient's scale."""

UNEVEN = 2.0
"""Clipping leaves all elements in proportion; what is added to each does not."""


def lost_in_epsilon(subject: Subject) -> float | None:
    """By what factor an optimiser that normalises makes its first update too small.

    Adam and its like divide a gradient by its own size and an epsilon. Of a gradient
    below the epsilon they make less than of the same gradient a million times as large.

    Args:
        subject: with `optimizer`.

    Returns:
        The factor between the two updates; None of an optimiser that does not normalise
        element by element.
    """
    pure, split = subject.pure, subject.pure.split
    begun = subject.begin()
    loss, slopes = subject.value_and_gradient(begun.arrays, subject.batch)
    params = split.rebuild(begun.arrays, pure.trained(begun.arrays))
    optimizer = subject.optimizer

    @jax.jit
    def scaled(scale: Any) -> Any:
        grown = [(scale * leaf).astype(leaf.dtype) for leaf in slopes]
        gradient = split.rebuild(begun.arrays, grown)
        updates, _ = update(optimizer, gradient, begun.optimizer, params, loss)
        return jax.tree.leaves(updates)

    own, large, larger = [
        np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in scaled(scale)])
        for scale in (1.0, LARGE, LARGER)
    ]
    size = float(np.linalg.norm(large))
    if not np.isfinite(larger).all() or not own.any() or not size:
        return None
    if float(np.linalg.norm(larger - large)) > SAME * size:
        return None
    ratios = large[own != 0] / own[own != 0]
    low, high = np.quantile(ratios, [0.1, 0.9])
    if high <= UNEVEN * low:
        return None
    return size / float(np.linalg.norm(own))
