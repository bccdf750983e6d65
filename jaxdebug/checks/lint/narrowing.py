"""Casts to a dtype that does not hold the numbers that are known to come."""

from __future__ import annotations

from math import inf
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.lint.linted import Linted
from jaxdebug.checks.lint.place import Spot, findings_of
from jaxdebug.checks.outcome import Outcome, judged
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.ranges.functions import rounded
from jaxdebug.programs.ranges.range import Range, of_aval
from jaxdebug.reports import format_number


def lint_narrowing(linted: Linted) -> Outcome:
    """Counted positions that become equal, numbers that overflow or wrap around."""
    spots, count = [], 0
    for step in linted.steps:
        if step.equation.primitive != "convert_element_type":
            continue
        count += 1
        aval: Any = linted.graph.avals[step.results[0]]
        before: Any = step.equation.raw.invars[0].aval
        message = _lost(linted.ranges.operand(step, 0), of_aval(before), aval)
        if message is not None:
            spots.append(Spot("narrowing-cast", step, message))
    said = f"{count} casts looked at" if count else "no cast in it"
    return judged("narrowing", said, findings_of(linted, spots), {"casts": count})


def _lost(x: Range, widest: Range, aval: Any) -> str | None:
    """What a cast loses of numbers that are known to be there."""
    # The largest integer is where counters stop, and no run comes there.
    ends = [
        bound
        for bound, hit in ((x.low, x.low_hit), (x.high, x.high_hit))
        if hit is not None and hit.sure and bound not in (widest.low, widest.high)
        if abs(bound) < inf
    ]
    dtype = aval.dtype
    if jax.dtypes.issubdtype(dtype, jax.dtypes.extended) or dtype == np.bool_:
        return None
    if not is_inexact(aval):
        whole = of_aval(aval)
        outside = [end for end in ends if not whole.low <= end <= whole.high]
        if outside and x.whole:
            return f"{format_number(outside[0])} does not fit {dtype}: it wraps around"
        return None
    if jax.dtypes.issubdtype(dtype, np.complexfloating):
        return None
    infinite = [end for end in ends if abs(rounded(end, dtype)) == inf]
    if infinite:
        return (
            f"{format_number(infinite[0])} becomes infinite in {dtype}, whose largest "
            f"number is {format_number(float(jnp.finfo(dtype).max))}"
        )
    exact = 2.0 ** (jnp.finfo(dtype).nmant + 1)
    far = [end for end in ends if abs(end) > exact]
    if x.whole and far and x.low != x.high:
        return (
            f"counts up to {format_number(max(map(abs, far)))} become equal to their "
            f"neighbours in {dtype}, which tells integers apart up to "
            f"{format_number(exact)}"
        )
    return None
