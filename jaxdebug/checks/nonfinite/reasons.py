"""Why an equation made NaN or an infinity, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.nonfinite.carriers import POINTWISE, Kind, Trial
from jaxdebug.checks.nonfinite.trace_back import Made
from jaxdebug.programs._jax import names
from jaxdebug.programs.coverage import FOREIGN
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.primitives import CONTRACTIONS
from jaxdebug.reports import format_number

_ADDING = """
    add_any cumsum psum psum_invariant reduce_scatter reduce_sum reduce_window_sum
    scatter-add scatter_add
"""
ADDING = CONTRACTIONS | frozenset(_ADDING.split())
"""They add up elements."""

SUMS = frozenset({"add", "add_any", "sub"})

DOMAINS = {
    "acos": "outside [-1, 1]",
    "acosh": "below 1",
    "asin": "outside [-1, 1]",
    "atanh": "outside [-1, 1]",
    "erf_inv": "outside [-1, 1]",
    "log": "negative",
    "log1p": "below -1",
    "rsqrt": "negative",
    "sqrt": "negative",
}
"""Of functions of one number: where they are not a number."""

GROWING = frozenset({"cosh", "exp", "exp2", "expm1", "sinh"})

_ALGEBRA = """
    eig eigh geev householder_product lu qr geqrf schur svd symmetric_product
    tridiagonal tridiagonal_solve
"""
ALGEBRA = frozenset(_ALGEBRA.split())


def reason_of(made: Made, kind: Kind) -> str:
    """What happened at the equation, with its numbers."""
    name = made.raw.primitive.name
    if name in FOREIGN:
        return f"made inside {name}, which is not seen into"
    trial = Trial(made.frame, made.index, made.result, made.element)
    if name in POINTWISE:
        values = [value_of(value) for value in trial.operands]
        found = _pointwise(made, name, values, kind)
        if found is not None:
            return found
        given = ", ".join(map(_number, values))
        return (
            f"{name} of {given} is {'not a number' if kind is Kind.NAN else 'infinite'}"
        )
    return _of_arrays(made, name, trial, kind)


def value_of(value: Any) -> Any:
    """One number of an operand, as a Python number."""
    array = np.asarray(value)
    if jnp.issubdtype(array.dtype, np.complexfloating):
        return complex(array)
    if jnp.issubdtype(array.dtype, np.floating):
        return float(array)
    return array.item()


def _number(value: Any) -> str:
    if isinstance(value, complex | bool):
        return str(value)
    if isinstance(value, float) and np.isinf(value):
        return "inf" if value > 0 else "-inf"
    return format_number(value)


def _pointwise(made: Made, name: str, values: Sequence[Any], kind: Kind) -> str | None:
    first = values[0]
    if any(isinstance(value, complex) for value in values):
        return None
    if kind is Kind.NAN:
        return _not_a_number(made, name, values)
    dtype = dtype_of(made)
    if name in GROWING:
        return f"{name} overflow in {dtype} at {_number(first)}"
    if name in ("log", "log2") and first == 0:
        return "log of 0"
    if name == "log1p" and first == -1:
        return "log1p of -1"
    if name == "rsqrt" and first == 0:
        return "rsqrt of 0: division by 0"
    if name == "div" and values[1] == 0:
        return f"division by 0: {_number(first)} / 0"
    if name in ("pow", "integer_pow") and first == 0:
        power = values[1] if name == "pow" else names.exponent(made.raw)
        return f"0 to the power {_number(power)}: division by 0"
    if name == "convert_element_type":
        return (
            f"{_number(first)} does not fit {dtype}, whose largest is {largest(dtype)}"
        )
    if name in ("atanh", "erf_inv") and abs(first) == 1:
        return f"{name} of {_number(first)}"
    signs = {
        "add": "+",
        "add_any": "+",
        "sub": "-",
        "mul": "*",
        "div": "/",
        "pow": "**",
    }
    if name in signs:
        return (
            f"overflow in {dtype}: {_number(first)} {signs[name]} {_number(values[1])}"
        )
    if name in ("square", "integer_pow"):
        return f"overflow in {dtype}: a power of {_number(first)}"
    return None


def _not_a_number(made: Made, name: str, values: Sequence[Any]) -> str | None:
    first = values[0]
    if name == "div":
        if first == 0 and values[1] == 0:
            return "0/0"
        return "inf/inf" if np.isinf(first) else None
    if name == "mul" and 0 in values:
        return "0 * inf"
    if name in SUMS:
        return "inf - inf"
    if name in DOMAINS:
        return f"{name} of {_number(first)}, which is {DOMAINS[name]}"
    if name in ("cos", "sin", "tan") and np.isinf(first):
        return f"{name} of an infinity"
    if name == "pow" and first < 0:
        return f"{_number(first)} to the power {_number(values[1])}"
    if name == "rem":
        return "remainder of a division by 0" if values[1] == 0 else None
    if name == "convert_element_type":
        dtype = dtype_of(made)
        return (
            f"{_number(first)} does not fit {dtype}, whose largest is {largest(dtype)}"
        )
    return None


def _of_arrays(made: Made, name: str, trial: Trial, kind: Kind) -> str:
    dtype = dtype_of(made)
    arrays = [np.asarray(trial.operands[n]) for n in trial.inexact]
    infinite = any(np.isinf(array).any() for array in arrays)
    if name in ADDING:
        what = "a matrix product" if name in CONTRACTIONS else "a sum"
        if kind is Kind.INFINITE:
            return f"overflow in {dtype}: {what} exceeds {largest(dtype)}"
        if not infinite:
            return f"overflow in {dtype} inside {what}: inf - inf"
        either = "0 * inf or inf - inf" if name in CONTRACTIONS else "inf - inf"
        return f"{either} in {what}"
    if name in ("reduce_prod", "cumprod"):
        if kind is Kind.NAN:
            return "0 * inf in a product"
        return f"overflow in {dtype}: a product exceeds {largest(dtype)}"
    if name == "cholesky":
        return "cholesky of a matrix that is not positive definite" + (
            ": it holds infinities" if infinite else ""
        )
    if name == "triangular_solve":
        if _singular(arrays[0]):
            return "division by 0: a zero on the diagonal of a triangular matrix, " + (
                "which is singular"
            )
        return "a triangular solve overflows or meets infinities"
    if name in ALGEBRA:
        return (
            f"{name} of a matrix that holds infinities"
            if infinite
            else (f"{name} fails on this matrix")
        )
    if name == "gather":
        return "an index out of bounds, for which NaN is filled in"
    if not any(is_inexact(atom.aval) for atom in made.raw.invars):
        return f"{name} made it from numbers that are no floats"
    if infinite:
        return f"{name} of operands that hold infinities"
    return f"{name} made it from operands that hold none"


def _singular(matrices: np.ndarray) -> bool:
    if matrices.ndim < 2:
        return False
    return bool((np.diagonal(matrices, axis1=-2, axis2=-1) == 0).any())


def dtype_of(made: Made) -> str:
    """Of what the equation makes."""
    return str(made.atom.aval.dtype)


def largest(dtype: str) -> str:
    """The largest number of a dtype."""
    return format_number(float(jnp.finfo(dtype).max))
