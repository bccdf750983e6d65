"""Flax NNX: modules and optimisers are objects that are changed in place."""

from __future__ import annotations

from typing import Any

import jax


def holds_objects(tree: Any) -> bool:
    """Whether a pytree holds NNX modules or optimisers; imports no Flax."""
    found = []

    def note(node: Any) -> bool:
        is_object = any(
            base.__module__ == "flax.nnx.pytreelib" for base in type(node).__mro__
        )
        found.append(is_object)
        return is_object

    jax.tree.leaves(tree, is_leaf=note)
    return any(found)
