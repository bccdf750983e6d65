"""Whether a gradient is the same when it is computed, or traced, twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.programs._jax import ir


def spread(first: Sequence[Any], again: Sequence[Any]) -> list[Any]:
    """How far each array of one run is from that of another.

    Relative to the largest element; 0 where both runs agree bit by bit, not finite
    where one is not finite and the other is.

    Args:
        first: arrays of any dtype.
        again: the same of the other run.
    """
    return [_gap(a, b) for a, b in zip(first, again, strict=True)]


def _gap(first: Any, again: Any) -> Any:
    if not jax.dtypes.issubdtype(first.dtype, np.inexact) or not first.size:
        return jnp.zeros((), jnp.float32)
    same = (first == again) | (jnp.isnan(first) & jnp.isnan(again))
    size = jnp.where(jnp.isfinite(first), jnp.abs(first), 0).astype(jnp.float32)
    gap = jnp.where(same, 0, jnp.abs(first - again)).astype(jnp.float32)
    largest = jnp.max(size)
    return jnp.max(gap) / jnp.where(largest > 0, largest, 1)


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
