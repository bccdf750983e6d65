"""A copy of a train step's state."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxdebug.frameworks import modules


def state_copy(state: Any) -> Any:
    """The state on arrays of its own: a step may donate them, or change modules."""

    def fresh(leaf: Any) -> Any:
        return jnp.array(leaf, copy=True) if hasattr(leaf, "dtype") else leaf

    return modules.rebuild(jax.tree.map(fresh, modules.split(state)))
