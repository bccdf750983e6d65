"""Inputs as Python that can be read, and run again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxdebug.programs.random_keys import is_key

MOST = 64
"""Elements of an input that are written out."""


def shown(args: Sequence[Any]) -> str:
    """Inputs as an expression; those that cannot be written by their shapes alone."""
    parts = [as_python(arg) or shapes_of(arg) for arg in args]
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


def shapes_of(arg: Any) -> str:
    """Shapes and dtypes of an input."""
    found = jax.tree.map(lambda leaf: jax.typeof(leaf).str_short(), arg)
    return found if isinstance(found, str) else repr(found)


def shown_shapes(args: Sequence[Any]) -> str:
    """Shapes and dtypes of several inputs."""
    return ", ".join(map(shapes_of, args))


def as_python(tree: Any) -> str:
    """A pytree of arrays as an expression that makes it; empty if it is too long.

    Args:
        tree: of dicts, lists and tuples; any other is not written.
    """
    if isinstance(tree, jax.Array | np.ndarray):
        return _array(tree)
    if tree is None:
        return "None"
    if type(tree) not in (dict, list, tuple):
        return ""
    parts = [
        as_python(one) for one in (tree.values() if isinstance(tree, dict) else tree)
    ]
    if not all(parts):
        return ""
    if isinstance(tree, dict):
        pairs = zip(tree, parts, strict=True)
        return f"{{{', '.join(f'{name!r}: {part}' for name, part in pairs)}}}"
    inner = ", ".join(parts)
    if isinstance(tree, list):
        return f"[{inner}]"
    return f"({inner},)" if len(parts) == 1 else f"({inner})"


def _array(given: Any) -> str:
    if is_key(given):
        numbers = _array(jax.random.key_data(given))
        kind = str(jax.random.key_impl(given))
        return f"jax.random.wrap_key_data({numbers}, impl={kind!r})"
    array = np.asarray(given)
    name = repr(array.dtype.name)
    if 0 < array.size <= MOST:
        return f"jnp.array({_numbers(array)}, {name})"
    first = array.reshape(-1)[:1]
    if np.array_equal(array, np.broadcast_to(first.sum(), array.shape)):
        return f"jnp.full({array.shape}, {_numbers(first)[1:-1] or 0}, {name})"
    places = np.nonzero(array)
    if len(places[0]) > MOST:
        return ""
    # What is shrunk is mostly zeros, however large it is.
    index = ", ".join(str(axis.tolist()) for axis in places)
    values = f"jnp.array({_numbers(array[places])}, {name})"
    return f"jnp.zeros({array.shape}, {name}).at[{index}].set({values})"


def _numbers(array: np.ndarray) -> str:
    text = np.array2string(
        # The short floats of ml_dtypes are no floats to NumPy.
        array.astype(np.float32) if array.dtype.kind == "V" else array,
        separator=", ",
        threshold=MOST,
        max_line_width=10**6,
        formatter={"float_kind": str},
    )
    text = text.replace("\n", "").replace("nan", "jnp.nan").replace("inf", "jnp.inf")
    return " ".join(text.split())
