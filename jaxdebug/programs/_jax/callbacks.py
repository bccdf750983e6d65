"""Host callbacks that keep 64-bit numbers on whatever thread they run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.extend.core import JaxprEqn

CALLBACKS = frozenset({"pure_callback", "io_callback"})

_WORDS = {"float64": (2,), "int64": (2,), "uint64": (2,), "complex128": (2, 2)}
"""Axes that 32-bit words of a number take, behind its own."""


def is_wide_callback(equation: JaxprEqn) -> bool:
    """Whether the equation hands 64-bit numbers to a function on the host, or back."""
    if equation.primitive.name not in CALLBACKS:
        return False
    avals: list[Any] = [var.aval for var in (*equation.invars, *equation.outvars)]
    return any(str(getattr(aval, "dtype", "")) in _WORDS for aval in avals)


def bind_wide_callback(equation: JaxprEqn, operands: Sequence[Any]) -> list[Any]:
    """Run the callback on operands as they are.

    JAX converts what goes to a callback and back under the settings of the thread that
    it runs on, which is not always the one that enabled 64 bits: there float64 becomes
    float32, and an error. So bits are handed over, and the user's function gets the
    numbers they stand for. To be deleted once `pure_callback_impl` keeps dtypes.
    """
    params = dict(equation.params)
    function, results = params["callback"], params["result_avals"]
    dtypes = [operand.dtype for operand in operands]

    def on_host(*arrays: Any) -> list[np.ndarray]:
        given = map(_from_bits, map(np.asarray, arrays), dtypes)
        with jax.enable_x64(True):
            found = [*map(np.asarray, function(*jax.device_put([*given])))]
        pairs = zip(found, results, strict=True)
        return [_bits_on_host(array, aval.dtype) for array, aval in pairs]

    params["callback"], params["result_avals"] = on_host, tuple(map(_in_bits, results))
    made = equation.primitive.bind(*map(_to_bits, operands), **params)
    pairs = zip(made, results, strict=True)
    return [_numbers(array, aval.dtype) for array, aval in pairs]


def _in_bits(aval: Any) -> Any:
    words = _WORDS.get(str(aval.dtype), ())
    dtype = np.dtype(np.uint32) if words else aval.dtype
    return aval.update(shape=(*aval.shape, *words), dtype=dtype)


def _to_bits(array: Any) -> Any:
    if str(array.dtype) not in _WORDS:
        return array
    if array.dtype == np.complex128:
        array = jax.numpy.stack([array.real, array.imag], -1)
    return lax.bitcast_convert_type(array, np.uint32)


def _numbers(bits: Any, dtype: Any) -> Any:
    if str(dtype) not in _WORDS:
        return bits
    if dtype == np.complex128:
        parts = lax.bitcast_convert_type(bits, np.float64)
        return lax.complex(parts[..., 0], parts[..., 1])
    return lax.bitcast_convert_type(bits, dtype)


def _from_bits(array: np.ndarray, dtype: Any) -> np.ndarray:
    words = _WORDS.get(str(dtype), ())
    if not words:
        return array
    rest = array.shape[: array.ndim - len(words)]
    flat = np.ascontiguousarray(array).reshape(*rest, 2 * len(words))
    return flat.view(dtype).reshape(rest)


def _bits_on_host(array: np.ndarray, dtype: Any) -> np.ndarray:
    words = _WORDS.get(str(dtype), ())
    if not words or array.dtype != dtype:
        return array  # JAX says what is wrong with it
    flat = np.ascontiguousarray(array)[..., None].view(np.uint32)
    return flat.reshape(*array.shape, *words)
