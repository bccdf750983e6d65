"""The core statistics of an array, in one pass over it.

Count, sum, sum of squares, largest magnitude and the number of non-finite
elements. The first three of values that are not finite would say nothing, so
they are taken over the finite elements alone. Sums are accumulated in float64
and leave the pass as `Scaled` numbers, so that values of 1e-30 and of 1e30 are
both counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Num

from jaxdebug.statistics import scaled
from jaxdebug.statistics.one_pass import Pass, finished, one_pass
from jaxdebug.statistics.scaled import Scaled

LIMB = 2**30
"""Counts are kept in two int32, `high * LIMB + low`: exact beyond 2**31."""


class Moments(NamedTuple):
    """Core statistics of one array, or of several along the leading axes."""

    count: Int[Array, "*several 2"]
    """Elements, finite or not, as two limbs."""
    nonfinite: Int[Array, "*several 2"]
    """NaN and infinite elements, as two limbs."""
    total: Scaled
    """Sum of the finite elements."""
    squares: Scaled
    """Sum of the squared magnitudes of the finite elements."""
    largest: Scaled
    """Largest magnitude among the finite elements; 0 if there are none."""
    nonzero: Int[Array, "*several 2"] | None = None
    """Finite elements that are not 0, as two limbs; None if not asked for."""
    smallest: Scaled | None = None
    """Smallest magnitude among those; infinite if there are none."""


def moments(array: Num[Array, "*shape"], *, spread: bool = False) -> Moments:
    """Core statistics of an array.

    Args:
        array: of any shape, real, complex, integer or boolean; may be empty.
        spread: whether to count the elements that are not 0 and to keep the
            smallest magnitude among them.

    Returns:
        Moments of shape (), float32 and int32.

    Cost:
        One pass over the array, no copy of it.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxdebug.statistics.summary import summarize
        >>> m = summarize(moments(jnp.array([3.0, -4.0, jnp.nan])))
        >>> int(m["count"]), int(m["nonfinite"]), float(m["sum"]), float(m["max"])
        (3, 1, -1.0, 4.0)
    """
    return jax.tree.map(lambda leaf: leaf[0], gather([one_pass(array, spread=spread)]))


def gather(passes: Sequence[Pass]) -> Moments:
    """Moments of several arrays, along a new leading axis."""
    with jax.enable_x64(True):
        sums = finished(passes)
        sizes = np.array([one.size for one in passes], np.int64)
        return Moments(
            jnp.asarray(np.stack([sizes // LIMB, sizes % LIMB], -1).astype(np.int32)),
            _limbs(sums.nonfinite),
            scaled.from_wide(sums.total),
            scaled.from_wide(sums.squares),
            scaled.from_wide(sums.largest),
            None if sums.nonzero is None else _limbs(sums.nonzero),
            None if sums.smallest is None else scaled.from_wide(sums.smallest),
        )


def _limbs(count: Int[Array, "*several"]) -> Int[Array, "*several 2"]:
    return jnp.stack([count // LIMB, count % LIMB], -1).astype(np.int32)


def empty(struct: Moments) -> Moments:
    """Moments of no elements, of the shapes and dtypes of a tree of avals."""

    def nothing(number: Scaled) -> Scaled:
        return scaled.zeros(number.mantissa.shape, number.mantissa.dtype)

    return Moments(
        jnp.zeros(struct.count.shape, jnp.int32),
        jnp.zeros(struct.nonfinite.shape, jnp.int32),
        nothing(struct.total),
        nothing(struct.squares),
        nothing(struct.largest),
        None if struct.nonzero is None else jnp.zeros(struct.nonzero.shape, jnp.int32),
        None if struct.smallest is None else _unbounded(struct.smallest),
    )


def _unbounded(number: Scaled) -> Scaled:
    return scaled.infinities(number.mantissa.shape, number.mantissa.dtype)


def combine(left: Moments, right: Moments) -> Moments:
    """Moments of the elements of both."""
    summed = Moments(
        _add_counts(left.count, right.count),
        _add_counts(left.nonfinite, right.nonfinite),
        scaled.add(left.total, right.total),
        scaled.add(left.squares, right.squares),
        scaled.maximum(left.largest, right.largest),
    )
    if left.nonzero is None or left.smallest is None:
        return summed
    assert right.nonzero is not None
    assert right.smallest is not None
    return summed._replace(
        nonzero=_add_counts(left.nonzero, right.nonzero),
        smallest=scaled.minimum(left.smallest, right.smallest),
    )


def _add_counts(left: Array, right: Array) -> Array:
    low = left[..., 1] + right[..., 1]
    high = left[..., 0] + right[..., 0] + low // LIMB
    return jnp.stack([high, low % LIMB], -1)
