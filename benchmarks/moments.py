"""Core moments of an 8 MB float32 array over `x + 1` on it."""

import jax
import jax.numpy as jnp

from benchmarks.result import Row
from benchmarks.timing import compare_runs
from jaxdebug.statistics.moments import moments

BAR = 2.0
SHAPES = {"flat": (2_097_152,), "matrix": (2048, 1024), "images": (64, 32, 32, 32)}


def _add_one(x: jax.Array) -> jax.Array:
    return x + 1


def measure() -> list[Row]:
    """Return one row a shape; each holds 8 MB."""
    rows = []
    for name, shape in SHAPES.items():
        x = jax.random.normal(jax.random.key(0), shape, jnp.float32)
        runs = compare_runs(
            {"x + 1": jax.jit(_add_one), "moments": jax.jit(moments)}, (x,)
        )
        rows.append(Row.from_pair(f"8 MB {name}", runs, BAR))
    return rows
