"""How many programs a jitted function holds."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any, cast

# Where flax.nnx.jit and equinox.filter_jit keep the function that JAX jitted.
_KEPT_AS = ("jitted_fn", "_cached")


def count_programs(function: Callable[..., Any]) -> Callable[[], int] | None:
    """How to count the programs that a jitted function holds; costs no time.

    None of a function that is not jitted, or only inside.
    """
    if isinstance(function, MethodType):
        return count_programs(function.__func__)
    for jitted in (function, *(getattr(function, name, None) for name in _KEPT_AS)):
        count = getattr(jitted, "_cache_size", None)
        if callable(count):
            return cast("Callable[[], int]", count)
    return None
