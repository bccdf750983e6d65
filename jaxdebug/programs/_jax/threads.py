"""Runs of one compiled program side by side: a CPU runs one at a time for a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import jax

from jaxdebug.programs._jax import ir

T = TypeVar("T")
P = TypeVar("P")


def side_by_side(compiled: Any, call: Callable[[P], T], points: Sequence[P]) -> list[T]:
    """Call a function at each point, each in a thread of its own where that is safe.

    Args:
        compiled: the jitted function that it runs. It is called from one thread alone
            until it is compiled, and where settings hold for this thread only, under
            which it would be compiled once more.
        call: of a point.
        points: where.
    """
    key = ir.trace_key()
    is_compiled: Callable[[], int] = getattr(compiled, "_cache_size", lambda: 0)
    if len(points) == 1 or not is_compiled():
        return [call(point) for point in points]

    def alike(point: P) -> list[T]:
        # A thread has the settings of the process; a check has these off.
        with jax.debug_nans(False), jax.debug_infs(False):
            return [call(point)] if ir.trace_key() == key else []

    with ThreadPoolExecutor(len(points)) as pool:
        found = list(pool.map(alike, points))
    return [result for one in found for result in one] or [*map(call, points)]
