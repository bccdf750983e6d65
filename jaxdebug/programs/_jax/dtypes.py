"""Parameters that fix a dtype, and how each follows when values become float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from jaxdebug.programs._jax.ir import bind, close

# Parameters that name the dtype of a result.
_DTYPE_PARAMETERS = ("new_dtype", "dtype", "preferred_element_type", "out_dtype")

# Primitives that work on the bits of their operand, or on the spacing of its
# numbers, as random samplers do: they mean the dtype they were written for.
BITS = frozenset({"bitcast_convert_type", "nextafter"})

# Primitives that are run in the dtype they were written for.
NATIVE_ONLY = BITS | frozenset(
    {
        "random_gamma",
        "rng_uniform",
        "approx_top_k",
    }
)

# Rounding to fewer bits is what a wider shadow leaves out.
ROUNDING = frozenset({"reduce_precision"})


def wide_dtype(dtype: Any) -> Any:
    """float64 for real floats, complex128 for complex numbers, else the same."""
    if jax.dtypes.issubdtype(dtype, np.complexfloating):
        return np.dtype(np.complex128)
    if jax.dtypes.issubdtype(dtype, np.floating):
        return np.dtype(np.float64)
    return dtype


def wide_aval(aval: Any) -> Any:
    """The aval of the array that stands for one of this aval."""
    dtype = getattr(aval, "dtype", None)
    if dtype is None or wide_dtype(dtype) == dtype:
        return aval
    return aval.update(dtype=wide_dtype(dtype), weak_type=False)


def bind_wide(
    equation: JaxprEqn,
    operands: Sequence[Any],
    region: Callable[[ClosedJaxpr, Sequence[Any]], ClosedJaxpr],
) -> list[Any]:
    """Run an equation on wide operands.

    Args:
        equation: the equation as it was traced.
        operands: float64 or complex128 where they were inexact.
        region: traces a jaxpr that combines scalars again, on wide avals.
    """
    changes: dict[str, Any] = {}
    for name, value in equation.params.items():
        if name in _DTYPE_PARAMETERS and value is not None:
            changes[name] = wide_dtype(value)
        elif isinstance(value, ClosedJaxpr | Jaxpr):
            closed = close(value)
            avals = [wide_aval(aval) for aval in closed.in_avals]
            wide = region(closed, avals)
            keeps = isinstance(value, ClosedJaxpr)
            changes[name] = wide if keeps else wide.jaxpr
    precision = equation.params.get("precision")
    if isinstance(precision, jax.lax.DotAlgorithm | jax.lax.DotAlgorithmPreset):
        # Algorithms are pairs of dtypes; none of them takes float64 operands.
        changes["precision"] = None
    return bind(equation, operands, **changes)
