"""Numbers far outside float32's range, carried as a mantissa and an exponent.

A sum of squares of values near 1e30 overflows float32, one of values near 1e-30
vanishes. Float64 holds both, but outside `jax.enable_x64` it turns back into
float32 at the next operation. So float64 is used only inside a reduction, and
what leaves it is `mantissa * 2**exponent`, whose parts are 32 bits wide.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

ZERO_EXPONENT = -(2**14)
"""Exponent of zero: below every float64, so that a sum keeps the other's."""

INFINITE_EXPONENT = 1025
"""Exponent of infinity, one above the largest float64's."""


class Scaled(NamedTuple):
    """`mantissa * 2**exponent`, elementwise, with 0.5 <= |mantissa| < 1 or 0."""

    mantissa: Float[Array, "*shape"]
    exponent: Int[Array, "*shape"]

    def to_numpy(self) -> np.ndarray:
        """The numbers as NumPy float64 (complex128 for complex ones)."""
        mantissa = np.asarray(self.mantissa)
        exponent = np.asarray(self.exponent)
        wide = np.result_type(mantissa.dtype, np.float64)
        with np.errstate(over="ignore", under="ignore"):
            power = np.exp2(np.clip(exponent, -2000, 2000).astype(np.float64))
            return mantissa.astype(wide) * power


def zeros(shape: tuple[int, ...], dtype: np.dtype) -> Scaled:
    """Zeros, neutral for `add` and `maximum`."""
    return Scaled(
        jnp.zeros(shape, dtype), jnp.full(shape, ZERO_EXPONENT, dtype=jnp.int32)
    )


def infinities(shape: tuple[int, ...], dtype: np.dtype) -> Scaled:
    """Infinities, neutral for `minimum`."""
    return Scaled(
        jnp.full(shape, 0.5, dtype),
        jnp.full(shape, INFINITE_EXPONENT, dtype=jnp.int32),
    )


def from_wide(number: Float[Array, "*shape"]) -> Scaled:
    """Split float64 or complex128 numbers; called inside `jax.enable_x64`.

    Only `lax` operations: what `jax.numpy` jits is traced again when the
    program is lowered, outside the context that allows 64 bits (JAX 0.12).
    """
    if jax.dtypes.issubdtype(number.dtype, np.complexfloating):
        size = lax.max(lax.abs(lax.real(number)), lax.abs(lax.imag(number)))
        _, exponent = _split(size)
        # Two steps keep each power of two inside float64's range.
        half = lax.shift_right_arithmetic(exponent, np.int64(1))
        first, second = _power(-half), _power(half - exponent)
        mantissa = lax.complex(
            lax.mul(lax.mul(lax.real(number), first), second),
            lax.mul(lax.mul(lax.imag(number), first), second),
        ).astype(np.complex64)
    else:
        wide, exponent = _split(number)
        mantissa = wide.astype(np.float32)
    return Scaled(mantissa, exponent.astype(np.int32))


_EXPONENT_MASK = np.int64(0x7FF << 52)
_BIAS = np.int64(1022)


def _split(number: Array) -> tuple[Array, Array]:
    """Mantissa in [0.5, 1) and int64 exponent of float64; subnormals are zero."""
    bits = lax.bitcast_convert_type(number, np.int64)
    field = lax.shift_right_logical(bits & _EXPONENT_MASK, np.int64(52))
    half = (bits & ~_EXPONENT_MASK) | np.int64(int(_BIAS) << 52)
    mantissa = lax.bitcast_convert_type(half, np.float64)
    empty = lax.eq(field, lax.full_like(field, 0))
    return (
        lax.select(empty, lax.full_like(mantissa, 0), mantissa),
        lax.select(empty, lax.full_like(field, ZERO_EXPONENT), field - _BIAS),
    )


def _power(exponent: Array) -> Array:
    """Two to an int64 power, kept between 0 (below -1022) and 2**1023."""
    kept = lax.clamp(np.int64(-1023), exponent, np.int64(1023))
    return lax.bitcast_convert_type(
        lax.shift_left(kept + np.int64(1023), np.int64(52)), np.float64
    )


def add(left: Scaled, right: Scaled) -> Scaled:
    """Sum, rounded to the mantissa's precision."""
    exponent = jnp.maximum(left.exponent, right.exponent)
    mantissa = _shift(left.mantissa, left.exponent - exponent) + _shift(
        right.mantissa, right.exponent - exponent
    )
    return _normal(mantissa, exponent)


def maximum(left: Scaled, right: Scaled) -> Scaled:
    """The larger of two numbers that are not negative."""
    bigger = _at_least(left, right)
    return jax.tree.map(lambda a, b: jnp.where(bigger, a, b), left, right)


def minimum(left: Scaled, right: Scaled) -> Scaled:
    """The smaller of two numbers that are not negative."""
    bigger = _at_least(left, right)
    return jax.tree.map(lambda a, b: jnp.where(bigger, b, a), left, right)


def _at_least(left: Scaled, right: Scaled) -> Array:
    same = left.exponent == right.exponent
    return jnp.where(
        same, left.mantissa >= right.mantissa, left.exponent > right.exponent
    )


def _shift(mantissa: Array, exponent: Array) -> Array:
    """`mantissa * 2**exponent` for exponents that are not positive."""
    power = jnp.exp2(jnp.maximum(exponent, -120).astype(jnp.float32))
    return mantissa * jnp.where(exponent < -120, 0.0, power)


def _normal(mantissa: Array, exponent: Array) -> Scaled:
    _, shift = jnp.frexp(jnp.abs(mantissa))
    shift = shift.astype(jnp.int32)
    empty = mantissa == 0
    power = jnp.exp2(-shift.astype(jnp.float32))
    return Scaled(mantissa * power, jnp.where(empty, ZERO_EXPONENT, exponent + shift))
