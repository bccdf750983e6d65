"""What `jax.jit` was told of a function's static arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def static_arguments(
    function: Callable[..., Any],
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Positions and names of the arguments that a jitted function has as static.

    None of a function that is not jitted, or only inside.
    """
    # What flax.nnx.jit returns keeps the function that JAX jitted.
    jitted = getattr(function, "jitted_fn", function)
    info = getattr(jitted, "_jit_info", None)
    if info is None:
        return (), ()
    return tuple(info.static_argnums), tuple(info.static_argnames)
