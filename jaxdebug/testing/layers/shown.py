"""Inputs as Python that can be read, and run again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxdebug.testing.layers.layer import Layer

MOST = 64
"""Elements of an input that are written out."""


def shown(args: Sequence[Any]) -> str:
    """Inputs as an expression; large ones by shape alone."""
    parts = [_shown(arg) for arg in args]
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


def _shown(arg: Any) -> str:
    leaves = jax.tree.leaves(arg)
    if len(leaves) != 1 or leaves[0] is not arg:
        shapes = jax.tree.map(lambda leaf: jax.typeof(leaf).str_short(), arg)
        return repr(shapes)
    array = np.asarray(arg)
    if array.size > MOST:
        return jax.typeof(arg).str_short()
    text = np.array2string(
        # The short floats of ml_dtypes are no floats to NumPy.
        array.astype(np.float32) if array.dtype.kind == "V" else array,
        separator=", ",
        threshold=MOST,
        max_line_width=10**6,
        formatter={"float_kind": str},
    )
    text = text.replace("\n", "").replace("nan", "jnp.nan").replace("inf", "jnp.inf")
    return f"jnp.array({' '.join(text.split())}, {array.dtype.name!r})"


def reproduction(
    check: str, layer: Layer, args: Sequence[Any], prop: str, seed: int
) -> str:
    """A line that tries one property again.

    Args:
        check: the function that tries it.
        layer: what is tried.
        args: its inputs.
        prop: name of the property.
        seed: of the examples.
    """
    text = shown(args)
    inputs = f"{text}, " if "jnp.array" in text else "<the same inputs>, "
    return f"testing.{check}({layer.made}, {inputs}only=[{prop!r}], seed={seed})"
