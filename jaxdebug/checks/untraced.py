"""Why a function cannot be traced as a whole, and what to look at instead."""

from __future__ import annotations

from jaxdebug.programs._jax.concrete import MADE_CONCRETE, line_of
from jaxdebug.reports.error_text import in_one_line


def why_untraced(error: Exception) -> str:
    """In words, with the user's line.

    Args:
        error: that the trace of a function raised.
    """
    line = line_of(error)
    at = "" if line is None else f" at {line}"
    if isinstance(error, MADE_CONCRETE):
        return (
            f"the value of an array is asked for{at}, as float(), if, .item() and "
            "NumPy do, which no trace can give. Hand over the jitted function that is "
            "called inside, or read values from what is returned"
        )
    return f"it cannot be traced: {in_one_line(error)}{at}"
