"""Whether a gradient is the same when it is computed, or traced, twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from jaxdebug.programs._jax import ir
from jaxdebug.programs.shadow import widen_on_host


def spread(
    first: Sequence[np.ndarray], again: Sequence[np.ndarray], examples: int = 0
) -> list[np.ndarray]:
    """How far each array of one run is from that of another.

    Relative to the largest element; 0 where both runs agree bit by bit, not finite
    where one is not finite and the other is.

    Args:
        first: arrays of any dtype, on the host.
        again: the same of the other run.
        examples: how many leading axes are examples, each with a spread of its own.
    """
    return [_gap(a, b, examples) for a, b in zip(first, again, strict=True)]


def _gap(first: np.ndarray, again: np.ndarray, examples: int) -> np.ndarray:
    axes = tuple(range(examples, first.ndim))
    is_inexact = jax.dtypes.issubdtype(first.dtype, np.inexact)
    if not is_inexact or not first.size or _same_bits(first, again):
        return np.zeros(first.shape[:examples])
    one, other = map(widen_on_host, (first, again))
    with np.errstate(all="ignore"):
        same = (one == other) | (np.isnan(one) & np.isnan(other))
        size = np.where(np.isfinite(one), np.abs(one), 0).max(axes)
        gap = np.where(same, 0, np.abs(one - other)).max(axes)
    return gap / np.where(size > 0, size, 1)


def _same_bits(first: np.ndarray, again: np.ndarray) -> bool:
    """What is mostly so, and costs no arithmetic to see."""
    one, other = (array.reshape(-1).view(np.uint8) for array in (first, again))
    return np.array_equal(one, other)


def same_numbers(first: ir.ClosedJaxpr, again: ir.ClosedJaxpr) -> bool:
    """Whether two traces of one function captured the same numbers.

    They do not if the function draws random numbers on the host, or reads a clock,
    while it is traced: then every trace is another function.
    """
    one, other = list(_numbers(first)), list(_numbers(again))
    return len(one) == len(other) and all(
        a.dtype == b.dtype and a.tobytes() == b.tobytes()
        for a, b in zip(one, other, strict=True)
    )


def _numbers(jaxpr: ir.ClosedJaxpr) -> Iterator[np.ndarray]:
    yield from map(_as_numpy, jaxpr.consts)
    for equation in jaxpr.jaxpr.eqns:
        for atom in equation.invars:
            if isinstance(atom, ir.Literal):
                yield _as_numpy(ir.literal_value(atom))
        for inner in ir.nested_jaxprs(equation):
            yield from _numbers(inner)


def _as_numpy(array: Any) -> np.ndarray:
    dtype = getattr(array, "dtype", None)
    if dtype is not None and jax.dtypes.issubdtype(dtype, jax.dtypes.extended):
        array = jax.random.key_data(array)
    return np.asarray(jax.device_get(array))
