"""Whether two sides of the same examples depend on each other, by no model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Shaped
from scipy.spatial.distance import pdist, squareform

ORDERS = 499
"""In which the examples of one side are put beside those of the other."""

WIDTH = 4096
"""Numbers of an example that are looked at, at most."""

Leaves = Sequence[Shaped[np.ndarray, "examples ..."]]


def chance_of_dependence(first: Leaves, second: Leaves, seed: int) -> float:
    """How often examples that are put in another order seem as dependent.

    The distance covariance of Székely, Rizzo and Bakirov (2007), "Measuring and testing
    dependence by correlation of distances", section 3, sees any dependence where there
    are examples enough. It takes memory of the square of their number.

    Args:
        first: arrays of one side.
        second: arrays of the other, of the same examples.
        seed: of the orders.

    Returns:
        Near zero where one side depends on the other; any number up to 1 else.
    """
    one, other = _centred(first), _centred(second)
    random = np.random.default_rng(seed)
    found = np.vdot(one, other)
    as_large = 1
    for _ in range(ORDERS):
        order = random.permutation(len(other))
        as_large += np.vdot(one, other[np.ix_(order, order)]) >= found
    return float(as_large / (ORDERS + 1))


def _centred(leaves: Leaves) -> Float[np.ndarray, "examples examples"]:
    """Distances of examples, over all arrays, less the means of rows and columns."""
    distances = np.sum([_distances(leaf) for leaf in leaves], axis=0)
    rows = distances.mean(0)
    return distances - rows - rows[:, None] + rows.mean()


def _distances(
    leaf: Shaped[np.ndarray, "examples ..."],
) -> Float[np.ndarray, "examples examples"]:
    """Of one array, whose mean is one: no array counts by its unit."""
    flat = leaf.reshape(len(leaf), -1)
    flat = flat[:, :: -(-flat.shape[1] // WIDTH)]
    if np.issubdtype(leaf.dtype, np.integer) or leaf.dtype == bool:
        distances = pdist(flat, "hamming")
    else:
        known = np.nan_to_num(flat.astype(np.float64))
        distances = pdist(known / np.where(known.std(0) > 0, known.std(0), 1.0))
    return squareform(distances / (distances.mean() or 1.0))
