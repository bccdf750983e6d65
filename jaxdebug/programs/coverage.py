"""What of a program is not seen into, by name."""

from __future__ import annotations

from typing import NamedTuple

from jaxdebug.programs._jax import ir
from jaxdebug.programs._jax.source import Line
from jaxdebug.programs.graph import Graph
from jaxdebug.programs.scopes import ModulePath

FOREIGN = frozenset(
    {
        "pallas_call",
        "mosaic_gpu",
        "tpu_custom_call",
        "triton_kernel_call",
        "ffi_call",
        "pure_callback",
        "io_callback",
        "custom_partitioning",
        "call_hi_primitive",
    }
)
"""Kernels, host functions and primitives whose body is not a jaxpr of ours."""

REGIONS = ("reduce", "select_and_", "scatter", "sort", "arg")
"""Primitives so named hold jaxprs that only combine scalars: nothing is inside."""


def is_region(primitive: str) -> bool:
    """Whether the jaxprs of the primitive only combine scalars."""
    return primitive.startswith(REGIONS)


class Unseen(NamedTuple):
    """A part of a program that runs untouched and is not looked into."""

    primitive: str
    path: ModulePath
    line: Line | None
    times: int = 1

    def __str__(self) -> str:
        where = "/".join(self.path) or "(top)"
        at = f" at {self.line}" if self.line else ""
        times = f", {self.times} times" if self.times > 1 else ""
        return f"{self.primitive} in {where}{at}{times}"


def unseen(graph: Graph) -> tuple[Unseen, ...]:
    """Every equation that no rule leads into although it has an inside."""
    found: dict[Unseen, int] = {}
    for step in graph.steps:
        name = step.equation.primitive
        if step.opened or is_region(name):
            continue
        if name in FOREIGN or next(ir.nested_jaxprs(step.equation.raw), None):
            part = Unseen(name, step.path, step.equation.line)
            found[part] = found.get(part, 0) + 1
    return tuple(part._replace(times=times) for part, times in found.items())
