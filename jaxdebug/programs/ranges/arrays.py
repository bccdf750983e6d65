"""Ranges of what operations on whole arrays make: sums, products, moved elements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Any

from jaxdebug.programs.ranges.range import Hit, Range, exactly, joined

_MOVING = """
    all_gather all_to_all broadcast_in_dim copy copy_p device_put dynamic_slice
    expand_dims gather optimization_barrier pbroadcast pcast ppermute pvary
    reduce_precision reshape rev sharding_constraint layout_constraint slice squeeze
    stop_gradient transpose split
"""
MOVING = frozenset(_MOVING.split())
"""Each element of a result is one of the first operand."""

JOINING = frozenset({"concatenate", "dynamic_update_slice", "pad"})
"""Each element of the result is one of some operand."""

SAME_PLACE = frozenset({"optimization_barrier", "stop_gradient", "copy", "copy_p"})
"""They leave every element where it is."""


def summed(x: Range, count: int, axes: Sequence[int]) -> Range:
    """The range of the sum over axes."""
    if count == 1:
        return x.moved()
    low, high = _times(x.low, count), _times(x.high, count)
    low_hit = x.low_hit
    picked = x.probability == "picked"
    if low_hit is Hit.ABSOLUTE:
        low_hit = Hit.SQUARES
    elif low_hit not in (Hit.SQUARES, None) and not picked and x.constant is None:
        low_hit = Hit.POSSIBLE
    if x.whole and low == 0 and low_hit is None and x.data:
        # Members of a mask: of some row there may be none.
        low_hit = Hit.POSSIBLE
    if x.peak is not None and set(x.peak) <= set(axes) and x.low >= 0:
        low = max(low, x.high)
        low_hit = None
    if x.probability == "softmax":
        low_hit = None
    high_hit = Hit.POSSIBLE if x.high_hit else None
    return Range(low, high, low_hit, high_hit, x.whole, data=x.data)


def _times(bound: float, count: int) -> float:
    return 0.0 if bound == 0 else bound * count


def extreme(x: Range, of_max: bool) -> Range:
    """The range of the largest or smallest along axes."""
    low, high = x.low_hit, x.high_hit
    if of_max:
        low = None if low is None else Hit.POSSIBLE
    else:
        high = None if high is None else Hit.POSSIBLE
    return replace(x.moved(), low_hit=low, high_hit=high)


def contracted(a: Range, b: Range, count: int, squares: bool) -> Range:
    """The range of sums of products.

    Args:
        a: of the left factors.
        b: of the right factors.
        count: how many products are added.
        squares: whether each number is multiplied by itself.
    """
    data = a.data or b.data
    whole = a.whole and b.whole
    if squares:
        hit = Hit.SQUARES if data and a.has(0) and not a.guarded else None
        return Range(0, inf, hit, whole=whole, data=data)
    ends = [
        0.0 if x == 0 or y == 0 else x * y
        for x in (a.low, a.high)
        for y in (b.low, b.high)
    ]
    return Range(
        _times(min(ends), count), _times(max(ends), count), whole=whole, data=data
    )


def joined_with(operands: Sequence[Range]) -> Range:
    """The range where elements come from several arrays."""
    return (joined(operands) or exactly(0)).moved()


def added_into(old: Range, new: Range) -> Range:
    """The range of a scatter-add: any number of the new is added to the old."""
    low = old.low if new.low >= 0 else -inf
    high = old.high if new.high <= 0 else inf
    hit = Hit.POSSIBLE if low == 0 and (old.data or new.data) else None
    data = old.data or new.data
    return Range(low, high, hit, whole=old.whole and new.whole, data=data)


def running(x: Range, name: str, length: int) -> Range:
    """The range of a cumulative operation."""
    if name in ("cummax", "cummin"):
        return x.moved()
    if name == "cumsum":
        low = min(x.low, _times(x.low, length))
        return Range(
            low, max(x.high, _times(x.high, length)), whole=x.whole, data=x.data
        )
    if name == "cumprod" and x.low >= 0:
        return Range(0, x.high if x.high <= 1 else inf, whole=x.whole, data=x.data)
    return Range(-inf, inf, data=x.data)


def positions(aval: Any, axis: int) -> Range:
    """The range of an iota."""
    return Range(0, max(aval.shape[axis] - 1, 0), Hit.CONSTANT, Hit.CONSTANT, True)
