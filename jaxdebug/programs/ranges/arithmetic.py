"""Ranges of what two numbers make."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isnan

from jaxdebug.programs.ranges.functions import negated, reciprocal
from jaxdebug.programs.ranges.range import Hit, Range

_GATHERED = frozenset({Hit.SQUARES, Hit.ABSOLUTE})
"""Zeros that come together: of a whole row, of both coordinates."""


def add(a: Range, b: Range) -> Range:
    """The range of a + b."""
    peak = None
    if b.constant is not None:
        peak = a.peak
    elif a.constant is not None:
        peak = b.peak
    return Range(
        _sum(a.low, b.low, -inf),
        _sum(a.high, b.high, inf),
        _both(a, b, a.low_hit, b.low_hit),
        _both(a, b, a.high_hit, b.high_hit),
        a.whole and b.whole,
        data=a.data or b.data,
        peak=peak,
    )


def subtract(a: Range, b: Range) -> Range:
    """The range of a - b."""
    return add(a, negated(b))


def _sum(a: float, b: float, unknown: float) -> float:
    return unknown if isnan(a + b) else a + b


def _both(a: Range, b: Range, one: Hit | None, other: Hit | None) -> Hit | None:
    """Why a sum reaches its bound: both must reach theirs at once."""
    if one is None or other is None:
        return None
    if b.constant is not None:
        return one
    if a.constant is not None:
        return other
    return Hit.SQUARES if {one, other} <= _GATHERED else Hit.POSSIBLE


def multiply(a: Range, b: Range) -> Range:
    """The range of a * b, of two numbers that may have nothing in common."""
    for one, other in ((a, b), (b, a)):
        if one.constant is not None:
            return _scaled(other, one.constant)
    ends = [_product(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    low, high = min(ends), max(ends)
    zero = _surer(a.hit(0), b.hit(0))
    return Range(
        low,
        high,
        zero if low == 0 else None,
        zero if high == 0 else None,
        a.whole and b.whole,
        data=a.data or b.data,
    )


def _surer(one: Hit | None, other: Hit | None) -> Hit | None:
    hits = [hit for hit in (one, other) if hit is not None]
    return min(hits, key=lambda hit: not hit.sure, default=None)


def _product(x: float, y: float) -> float:
    return 0.0 if x == 0 or y == 0 else x * y


def _scaled(a: Range, factor: float) -> Range:
    if factor == 0:
        return replace(Range(0, 0, Hit.CONSTANT, Hit.CONSTANT), data=a.data)
    if factor < 0:
        return _scaled(negated(a), -factor)
    whole = a.whole and factor == int(factor) if abs(factor) < inf else False
    return replace(
        a,
        low=_product(a.low, factor),
        high=_product(a.high, factor),
        whole=whole,
        probability=a.probability if factor == 1 else "",
    )


def divide(a: Range, b: Range, whole: bool) -> Range:
    """The range of a / b; of integers rounded towards zero."""
    if b.constant not in (None, 0) and abs(b.constant or 0) < inf:
        found = _scaled(a, 1 / (b.constant or 1))
    elif b.low > 0 or b.high < 0 or b.low == 0:
        found = multiply(a, reciprocal(b))
        if b.low == 0 and not (a.low >= 0 or a.high <= 0):
            found = Range(-inf, inf, data=found.data)
    else:
        found = Range(-inf, inf, data=a.data or b.data)
    found = replace(found, whole=whole, data=a.data or b.data)
    if whole:
        low, high = (int(x) if abs(x) < inf else x for x in (found.low, found.high))
        found = replace(found, low=low, high=high, nonzero=False)
    return found


def largest(a: Range, b: Range) -> Range:
    """The range of the larger of two numbers."""
    low, high = max(a.low, b.low), max(a.high, b.high)
    hit = _cut(a, b, low, a.low, b.low, a.low_hit, b.low_hit)
    top = a.high_hit if a.high >= b.high else b.high_hit
    return Range(
        low,
        high,
        hit,
        top if a.high != b.high or a.high_hit else b.high_hit,
        a.whole and b.whole,
        data=a.data or b.data,
    )


def smallest(a: Range, b: Range) -> Range:
    """The range of the smaller of two numbers."""
    return negated(largest(negated(a), negated(b)))


def _cut(
    a: Range,
    b: Range,
    low: float,
    a_low: float,
    b_low: float,
    a_hit: Hit | None,
    b_hit: Hit | None,
) -> Hit | None:
    """Why the larger of two numbers reaches its lower bound."""
    if a_low == b_low:
        if b.constant is not None:
            return a_hit
        if a.constant is not None:
            return b_hit
        return Hit.POSSIBLE if a_hit and b_hit else None
    (mover, still), hit = ((a, b), b_hit) if a_low < b_low else ((b, a), a_hit)
    if still.constant is not None and mover.low < low:
        return Hit.CUT if mover.data else None
    return hit if mover.high <= low else None


def remainder(a: Range, b: Range) -> Range:
    """The range of what is left of a divided by b; it has the sign of a."""
    size = max(abs(b.low), abs(b.high))
    if size < inf and a.whole and b.whole:
        size -= 1
    data = a.data or b.data
    whole = a.whole and b.whole
    low = 0.0 if a.low >= 0 else max(-size, a.low)
    high = 0.0 if a.high <= 0 else min(size, a.high)
    return Range(low, high, whole=whole, data=data)


def power(a: Range, b: Range) -> Range:
    """The range of a to the power b."""
    data = a.data or b.data
    if a.low < 0:
        return Range(-inf, inf, data=data)
    exponent = b.constant
    if exponent is not None and exponent > 0:

        def raised(x: float) -> float:
            try:
                return x**exponent
            except OverflowError:
                return inf

        return replace(a.moved(), low=raised(a.low), high=raised(a.high), whole=False)
    return Range(0, inf, data=data)
