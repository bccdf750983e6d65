"""How XLA is to compile a program whose every value is looked at."""

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


_UNFUSED: Mapping[str, Any] = {
    # What is fused is computed again in each of several kernels, and rounded otherwise
    # there: of a - b / 3 the product with 1 / 3 is not rounded before it is taken away.
    # One reads 0 of a value that is 1e-7 to what it leads to.
    "xla_disable_hlo_passes": "fusion",
}


@cache
def quick_options() -> Mapping[str, Any]:
    """Compiler options that make compiling quick, and what is compiled slower.

    They are those of the CPU, and of this version of XLA: it refuses any other.
    """
    return _known(_QUICK)


@cache
def unfused_options() -> Mapping[str, Any]:
    """Compiler options with which each value is computed once, by a kernel of its own.

    They are those of the CPU, and of this version of XLA.
    """
    return _known(_UNFUSED)


def _known(options: Mapping[str, Any]) -> Mapping[str, Any]:
    if jax.default_backend() != "cpu":
        return {}
    return {name: value for name, value in options.items() if _is_known(name, value)}


def _is_known(name: str, value: Any) -> bool:
    empty = jax.jit(lambda: None, compiler_options={name: value})
    try:
        empty.lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
