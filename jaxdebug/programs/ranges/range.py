"""What is known of all elements of one array: between which numbers they lie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import Any

import jax
import numpy as np


class Hit(StrEnum):
    """Why elements come to lie exactly on a bound.

    A bound is only a bound: that a value cannot be below 0 does not say that it is
    ever 0. A hit says it.
    """

    CONSTANT = "it is written so in the program"
    CUT = "a maximum, minimum or relu gives exactly that"
    SQUARES = "squares or sizes add up to exactly that where all of them are 0"
    ABSOLUTE = "the absolute value of 0 is that"
    SOFTMAX = "a softmax rounds to exactly that where one score leads by about 100"
    SATURATED = "a sigmoid or tanh rounds to exactly that at large inputs"
    POSSIBLE = "all that is added up, or one number of the data, may be that"

    @property
    def sure(self) -> bool:
        """Whether a usual run comes there; else only unusual data would."""
        return self not in (Hit.POSSIBLE, Hit.ABSOLUTE)


@dataclass(frozen=True)
class Range:
    """Bounds of an array's elements. NaN is in no range and always possible."""

    low: float
    high: float
    low_hit: Hit | None = None
    high_hit: Hit | None = None
    whole: bool = False
    """Whether all are integers, or truth values."""
    nonzero: bool = False
    """Whether 0 is left out although it lies between the bounds."""
    data: bool = False
    """Whether they depend on an input that is no parameter; random bits do not."""
    peak: tuple[int, ...] | None = None
    """Axes along which at least one element is exactly `high`."""
    probability: str = ""
    """`softmax` or `sigmoid` if they are what one gave; `picked` where all but those
    of one index are put to 0."""
    guarded: bool = False
    """Whether a where has put something else in the place of rows of zeros."""

    @property
    def constant(self) -> float | None:
        """The one number that they all are."""
        return self.low if self.low == self.high else None

    @property
    def known(self) -> bool:
        """Whether there is any bound."""
        return self.low > -inf or self.high < inf

    def has(self, number: float) -> bool:
        """Whether an element may be that number."""
        if number == 0 and self.nonzero:
            return False
        return self.low <= number <= self.high

    def hit(self, number: float) -> Hit | None:
        """Why some elements are that number, if it is known that some are."""
        if not self.has(number):
            return None
        hits = [
            hit
            for bound, hit in ((self.low, self.low_hit), (self.high, self.high_hit))
            if bound == number and hit is not None
        ]
        return min(hits, key=lambda hit: not hit.sure, default=None)

    def moved(self) -> Range:
        """The same elements in other places."""
        return self if self.peak is None else replace(self, peak=None)

    def without_hits(self) -> Range:
        """The same bounds of which it is not known that they are reached."""
        return replace(self, low_hit=None, high_hit=None, peak=None)


def exactly(number: float, whole: bool = False) -> Range:
    """The range of a constant."""
    return Range(number, number, Hit.CONSTANT, Hit.CONSTANT, whole)


def of_values(value: Any) -> Range:
    """The range of an array that is at hand; of extended dtypes nothing is known."""
    if jax.dtypes.issubdtype(jax.dtypes.result_type(value), jax.dtypes.extended):
        return Range(-inf, inf)
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        return Range(-inf, inf)
    whole = array.dtype.kind in "biu"
    if not array.size or np.isnan(numbers := array.astype(float)).any():
        return Range(-inf, inf, whole=whole)
    low, high = float(numbers.min()), float(numbers.max())
    hit = Hit.CONSTANT
    return Range(low, high, hit, hit, whole, nonzero=bool((numbers != 0).all()))


def of_aval(aval: Any, data: bool = False) -> Range:
    """The range of which only the dtype is known."""
    dtype = getattr(aval, "dtype", None)
    if dtype is None or jax.dtypes.issubdtype(dtype, jax.dtypes.extended):
        return Range(-inf, inf, data=data)
    if dtype == np.bool_:
        return Range(0, 1, whole=True, data=data)
    if jax.dtypes.issubdtype(dtype, np.integer):
        info = jax.numpy.iinfo(dtype)
        return Range(float(info.min), float(info.max), whole=True, data=data)
    return Range(-inf, inf, data=data)


def within(found: Range, aval: Any) -> Range:
    """The range as numbers of a dtype: integers outside wrap around."""
    whole = of_aval(aval)
    if whole.whole and (found.low < whole.low or found.high > whole.high):
        return replace(whole, data=found.data)
    return found


def joined(ranges: Iterable[Range]) -> Range | None:
    """What holds of all; None of none."""
    every = list(ranges)
    if not every:
        return None
    if len(every) == 1:
        return every[0]
    low, high = min(r.low for r in every), max(r.high for r in every)
    peaks = {(r.peak, r.high) for r in every}
    return Range(
        low,
        high,
        _surest(r.low_hit for r in every if r.low == low),
        _surest(r.high_hit for r in every if r.high == high),
        all(r.whole for r in every),
        not any(r.has(0) for r in every),
        any(r.data for r in every),
        every[0].peak if len(peaks) == 1 else None,
        kinds.pop() if len(kinds := {r.probability for r in every}) == 1 else "",
        all(r.guarded or not r.has(0) for r in every),
    )


def _surest(hits: Iterable[Hit | None]) -> Hit | None:
    found = [hit for hit in hits if hit is not None]
    return min(found, key=lambda hit: not hit.sure, default=None)
