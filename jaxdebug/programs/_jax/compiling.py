"""How XLA is to compile a program that runs once or twice."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import jax

_QUICK: Mapping[str, Any] = {
    "xla_backend_optimization_level": 0,
    # Of jaxlib 0.10. They take most of the time, a kernel for every value at that.
    "xla_cpu_use_fusion_emitters": False,
}


@cache
def quick_options() -> Mapping[str, Any]:
    """Compiler options that make compiling quick, and what is compiled slower.

    They are those of the CPU, and of this version of XLA: it refuses any other.
    """
    if jax.default_backend() != "cpu":
        return {}
    return {name: value for name, value in _QUICK.items() if _is_known(name, value)}


def _is_known(name: str, value: Any) -> bool:
    empty = jax.jit(lambda: None, compiler_options={name: value})
    try:
        empty.lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
