"""Ranges of functions of one number."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from types import MappingProxyType
from typing import Any

import numpy as np

from jaxdebug.programs.ranges.range import Hit, Range

Function = Callable[[Range], Range]


def _exp(x: float) -> float:
    return inf if x > 709 else math.exp(x)


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -inf


def _logistic(x: float) -> float:
    return 1 / (1 + _exp(-x)) if x > -700 else 0.0


def _odd_root(x: float) -> float:
    return math.copysign(abs(x) ** (1 / 3), x)


_RISING: Mapping[str, tuple[Callable[[float], float], float, float]] = MappingProxyType(
    {
        "asinh": (lambda x: math.asinh(x) if abs(x) < inf else x, -inf, inf),
        "atan": (math.atan, -inf, inf),
        "cbrt": (_odd_root, -inf, inf),
        "ceil": (lambda x: math.ceil(x) if abs(x) < inf else x, -inf, inf),
        "erf": (math.erf, -inf, inf),
        "exp": (_exp, -inf, inf),
        "exp2": (lambda x: 2.0**x if x < 1024 else inf, -inf, inf),
        "expm1": (lambda x: math.expm1(x) if x < 709 else inf, -inf, inf),
        "floor": (lambda x: math.floor(x) if abs(x) < inf else x, -inf, inf),
        "log": (_log, 0, inf),
        "log1p": (lambda x: _log(1 + x) if abs(x) > 0.1 else math.log1p(x), -1, inf),
        "logistic": (_logistic, -inf, inf),
        "round": (lambda x: float(np.round(x)), -inf, inf),
        "sinh": (lambda x: math.sinh(x) if abs(x) < 709 else x, -inf, inf),
        "sqrt": (lambda x: math.sqrt(x) if x < inf else inf, 0, inf),
        "tan": (lambda x: x, inf, -inf),
        "tanh": (math.tanh, -inf, inf),
    }
)
"""Functions that rise, and where they are defined."""

_SATURATING = frozenset({"logistic", "tanh"})
_KEEP_WHOLE = frozenset({"ceil", "floor", "round"})
_UNIT = frozenset({"cos", "sin", "sign"})


def of_function(name: str, x: Range, dtype: Any) -> Range | None:
    """The range of a function of one number; None if it is not known here.

    Args:
        name: of the primitive.
        x: the range of its operand.
        dtype: of its result, in which it rounds.
    """
    if name in _RISING and name != "tan":
        return _rising(name, x, dtype)
    if name in _UNIT:
        whole = name == "sign"
        if whole and x.low > 0:
            return Range(1, 1, whole=True, data=x.data)
        return Range(-1, 1, whole=whole, data=x.data)
    found = _OTHERS.get(name)
    return None if found is None else found(x)


def _rising(name: str, x: Range, dtype: Any) -> Range:
    function, left, right = _RISING[name]
    bottom, top = max(x.low, left), min(x.high, right)
    if bottom > top:
        return Range(-inf, inf, data=x.data)
    low, high = rounded(function(bottom), dtype), rounded(function(top), dtype)
    low_hit = x.low_hit if bottom == x.low else None
    high_hit = x.high_hit if top == x.high else None
    if name in _SATURATING and x.data:
        # Where the whole line comes in, the flat ends are reached; a bounded operand
        # reaches one only where it rounds to it.
        low_hit = low_hit or _saturated(x.low, low, name)
        high_hit = high_hit or _saturated(-x.high, high, name)
    if name == "exp" and x.peak is not None and x.data and low == 0:
        low_hit = Hit.SOFTMAX
    return Range(
        low,
        high,
        low_hit,
        high_hit,
        x.whole or name in _KEEP_WHOLE,
        data=x.data,
        peak=x.peak,
        nonzero=name in ("exp", "exp2") and low > 0,
        probability="sigmoid" if name == "logistic" else "",
    )


def _saturated(outward: float, reached: float, name: str) -> Hit | None:
    ends = (0.0, 1.0) if name == "logistic" else (-1.0, 1.0)
    return Hit.SATURATED if outward < -4 and reached in ends else None


def rounded(number: float, dtype: Any) -> float:
    """A number as a dtype holds it."""
    if abs(number) == inf or dtype is None:
        return number
    with np.errstate(over="ignore"):
        return float(np.asarray(number).astype(dtype))


def negated(x: Range) -> Range:
    """The range of -x."""
    return replace(
        x,
        low=-x.high,
        high=-x.low,
        low_hit=x.high_hit,
        high_hit=x.low_hit,
        peak=None,
        probability="",
    )


def absolute(x: Range) -> Range:
    """The range of |x|."""
    if x.low >= 0:
        return x
    if x.high <= 0:
        return negated(x)
    hit = Hit.ABSOLUTE if x.data and x.has(0) and not x.guarded else None
    top = x.high_hit if x.high >= -x.low else x.low_hit
    return Range(
        0, max(x.high, -x.low), hit, top, x.whole, nonzero=x.nonzero, data=x.data
    )


def square(x: Range) -> Range:
    """The range of x * x."""
    size = absolute(x)
    hit = size.low_hit
    if hit is Hit.ABSOLUTE:
        hit = Hit.SQUARES
    # A small number squared may be 0 in any dtype: only what is away from 0 stays so.
    nonzero = x.nonzero and x.whole
    return Range(
        size.low**2,
        _power(size.high, 2),
        hit,
        size.high_hit,
        x.whole,
        nonzero=nonzero,
        data=x.data,
    )


def whole_power(x: Range, power: int) -> Range:
    """The range of x to the power of an integer."""
    if power == 0:
        return Range(1, 1, whole=True, data=x.data)
    if power < 0:
        return reciprocal(whole_power(x, -power))
    if power == 1:
        return x
    if power % 2 == 0:
        base = square(x)
        return replace(
            base,
            low=_power(absolute(x).low, power),
            high=_power(absolute(x).high, power),
        )
    return replace(
        x.moved(), low=_power(x.low, power), high=_power(x.high, power), probability=""
    )


def _power(x: float, power: float) -> float:
    try:
        return x**power
    except OverflowError:
        return math.copysign(inf, x)


def reciprocal(x: Range) -> Range:
    """The range of 1 / x."""
    if x.low > 0 or x.high < 0:
        return Range(
            1 / x.high if abs(x.high) < inf else 0.0,
            1 / x.low if abs(x.low) < inf else 0.0,
            x.high_hit if abs(x.high) < inf else None,
            x.low_hit if abs(x.low) < inf else None,
            nonzero=x.low > 0 and x.high < inf,
            data=x.data,
        )
    if x.low == 0:
        return Range(
            0 if x.high == inf else 1 / x.high if x.high else 0, inf, data=x.data
        )
    return Range(-inf, inf, data=x.data)


def _rsqrt(x: Range) -> Range:
    root = _rising("sqrt", replace(x, low=max(x.low, 0)), None)
    found = reciprocal(root)
    return replace(found, low=max(found.low, 0))


def _cosh(x: Range) -> Range:
    return Range(1, inf, data=x.data)


def _logical_not(x: Range) -> Range:
    if x.low < 0 or x.high > 1:
        return Range(-inf, inf, whole=True, data=x.data)
    return replace(x, low=1 - x.high, high=1 - x.low, low_hit=None, high_hit=None)


_OTHERS: Mapping[str, Function] = MappingProxyType(
    {
        "abs": absolute,
        "acos": lambda x: Range(0, math.pi, data=x.data),
        "asin": lambda x: Range(-math.pi / 2, math.pi / 2, data=x.data),
        "cosh": _cosh,
        "erfc": lambda x: Range(0, 2, data=x.data),
        "is_finite": lambda x: Range(0, 1, whole=True, data=x.data),
        "neg": negated,
        "not": _logical_not,
        "rsqrt": _rsqrt,
        "square": square,
    }
)
