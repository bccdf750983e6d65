"""What `jax.jit` was told of a function's static arguments."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any


def static_arguments(
    function: Callable[..., Any],
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Positions and names of the arguments that a jitted function has as static.

    None of a function that is not jitted, or only inside. Of a method of an object
    they are counted after the object, which is often static itself.
    """
    if isinstance(function, MethodType):
        positions, names = static_arguments(function.__func__)
        # Those counted from the end stay the same.
        return tuple(p - (p > 0) for p in positions if p != 0), names
    # What flax.nnx.jit returns keeps the function that JAX jitted.
    jitted = getattr(function, "jitted_fn", function)
    info = getattr(jitted, "_jit_info", None)
    if info is None:
        return (), ()
    return tuple(info.static_argnums), tuple(info.static_argnames)
