"""What rounding does to one array: sums over its elements, one pass, in float64.

Of each array there are three: as the program computes it, in float64, and the
reference: what float64 makes of the operands as the program has them. The first
against the second is the whole error, the first against the last what is *made*
here; the rest is *inherited* from the operands.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

SUMS = (
    "signal",
    "total",
    "made",
    "terms",
    "first",
    "second",
    "underflow_error",
    "overflows",
    "underflows",
    "broken",
    "wide_broken",
    "elements",
)
"""What is added up: squares of the float64 array, of the error and of what is made
here; of what is added up here (0 where nothing is); of the error that each of two
operands brings (0 where that is not known); of what elements lose by underflow;
counts of elements."""


class Rounding(NamedTuple):
    """Sums of one array; those of several iterations add up."""

    sums: Float[Array, " sums"]
    worst: Float[Array, ""]
    """Largest error of an element, absolute."""
    peak: Float[Array, " 2"]
    """Relative error of the worst iteration, and which one it is."""


class Parts(NamedTuple):
    """What is known of the parts that one array is made of."""

    terms: Any = None
    """Sum of the magnitudes of what is added up: an array of the same shape."""
    norm: Any = None
    """Or the norm of it."""
    brought: tuple[Any, Any] | None = None
    """The error that each of two operands brings."""


ONE_PIECE = Parts()
"""Of an array of which no parts are known."""


def rounding(
    native: Any, wide: Any, reference: Any, parts: Parts = ONE_PIECE
) -> Rounding:
    """Measure one array, inside a trace with float64.

    Args:
        native: as the program computes it.
        wide: in float64.
        reference: in float64, from the operands as the program has them.
        parts: what is known of them.
    """
    # Traced once for all arrays of one shape: there are hundreds in a gradient.
    return Rounding(*_measured(native, wide, reference, parts))


@jax.jit
def _measured(native: Any, wide: Any, reference: Any, parts: Parts) -> Any:
    info = jnp.finfo(native.dtype)
    own = native.astype(wide.dtype)
    fine, wide_fine = jnp.isfinite(own), jnp.isfinite(wide)
    reference_fine = jnp.isfinite(reference)
    both = fine & wide_fine
    error = jnp.where(both, jnp.abs(own - wide), 0.0)
    made = jnp.where(fine & reference_fine, jnp.abs(own - reference), 0.0)
    size = jnp.abs(reference)
    # Below half of the smallest number that has all digits.
    small = (reference != 0) & (size < float(info.smallest_normal)) & reference_fine
    nothing = jnp.zeros_like(error)
    brought = (nothing, nothing) if parts.brought is None else parts.brought
    columns = [
        jnp.where(wide_fine, jnp.abs(wide), 0.0) ** 2,
        error**2,
        made**2,
        nothing if parts.terms is None else parts.terms**2,
        *(jnp.where(both, jnp.abs(each), 0.0) ** 2 for each in brought),
        jnp.where(small, made, 0.0) ** 2,
        (~fine & reference_fine).astype(error.dtype),
        (small & (made > size * float(info.eps))).astype(error.dtype),
        (~fine & wide_fine).astype(error.dtype),
        (~wide_fine).astype(error.dtype),
        error,
    ]
    zeros = (np.zeros((), np.float64),) * len(columns)
    *sums, worst = lax.reduce(tuple(columns), zeros, _plus, tuple(range(error.ndim)))
    if parts.norm is not None:
        sums[3] = parts.norm**2
    sums.append(jnp.float64(error.size))
    ratio = jnp.where(sums[1] > 0, jnp.sqrt(sums[1] / sums[0]), 0.0)
    ratio = jnp.where(sums[SUMS.index("broken")] > 0, jnp.inf, ratio)
    return jnp.stack(sums), worst, jnp.stack([ratio, jnp.zeros_like(ratio)])


def _plus(a: Any, b: Any) -> Any:
    *first, most = a
    *second, other = b
    added = [x + y for x, y in zip(first, second, strict=True)]
    return (*added, lax.max(most, other))


def empty(struct: Rounding) -> Rounding:
    """Of no element."""
    return Rounding(*(jnp.zeros(leaf.shape, leaf.dtype) for leaf in struct))


def combine(total: Rounding, record: Rounding, index: Any) -> Rounding:
    """One more iteration's sums, added to those before."""
    later = jnp.stack([record.peak[0], jnp.asarray(index, jnp.float64)])
    return Rounding(
        total.sums + record.sums,
        jnp.maximum(total.worst, record.worst),
        jnp.where(record.peak[0] > total.peak[0], later, total.peak),
    )
