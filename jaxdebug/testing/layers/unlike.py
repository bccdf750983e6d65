"""Whether two pytrees have the same structure, shapes and dtypes."""

from __future__ import annotations

from typing import Any

import jax

from jaxdebug.programs.parameters.leaves import path_names


def unlike(what: str, before: Any, after: Any) -> str:
    """What differs of structure, shapes and dtypes; empty if nothing does.

    Args:
        what: they are.
        before: a pytree of arrays or of their shapes and dtypes.
        after: the same.
    """
    trees = jax.tree.structure(before), jax.tree.structure(after)
    if trees[0] != trees[1]:
        return f"expected {what} of the structure {trees[0]}; found {trees[1]}"
    leaves = zip(
        path_names(before), *map(jax.tree.leaves, (before, after)), strict=True
    )
    for path, own, now in leaves:
        said = [_aval(own), _aval(now)]
        if said[0] != said[1]:
            return f"{'/'.join(path)}: expected {said[0]}, found {said[1]}"
    return ""


def _aval(leaf: Any) -> str:
    try:
        return jax.typeof(leaf).str_short()
    except TypeError:  # no array
        return type(leaf).__name__
