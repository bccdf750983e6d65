"""What the checks are asked with, refused when it is given and not later."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jaxdebug.testing.strategies.arrays import batches


def require_examples(check: str, examples: Any) -> None:
    """Refuse what is no number of examples."""
    if isinstance(examples, bool) or not isinstance(examples, int) or examples < 1:
        raise ValueError(
            f"{check} expects examples to be a number, 1 or more; found {examples!r}."
        )


def require_domain(check: str, domain: Any) -> None:
    """Refuse what is no range of numbers."""
    if domain is None:
        return
    ends = domain if isinstance(domain, tuple | list) else ()
    finite = all(isinstance(end, Real) and math.isfinite(end) for end in ends)
    if len(ends) != 2 or not finite or not ends[0] < ends[1]:
        raise ValueError(
            f"{check} expects domain to be two numbers, the lower one first, as in "
            f"domain=(0.0, 1.0); found {domain!r}."
        )


def strategy_of(check: str, name: str, inputs: Any) -> st.SearchStrategy[Any]:
    """A strategy of one input.

    Args:
        check: the public function.
        name: of its argument.
        inputs: a strategy, or a pytree of arrays.

    Raises:
        TypeError: if it is neither.
    """
    if isinstance(inputs, st.SearchStrategy):
        return inputs
    for leaf in jax.tree.leaves(inputs):
        if not _is_array(leaf):
            raise TypeError(
                f"{check} expects {name} to be a strategy, such as testing.arrays() or "
                "testing.batches(), a pytree of arrays, or a tuple of these for "
                f"several; found {_told(leaf)}."
            )
    return st.just(jax.tree.map(jnp.asarray, inputs))


def several(check: str, name: str, inputs: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    """A strategy of inputs, as a tuple, from what a user gives.

    Args:
        check: the public function.
        name: of its argument.
        inputs: a strategy, an array, None for batches of vectors, or a tuple of these.

    Raises:
        TypeError: if it is none of them.
    """
    each = inputs if isinstance(inputs, tuple) else (inputs,)
    if isinstance(inputs, tuple) and each and all(type(one) is int for one in each):
        raise TypeError(
            f"{check} expects {name} to be a strategy or arrays; found {inputs!r}. If "
            f"that is a shape, give testing.arrays({inputs!r})."
        )
    return st.tuples(
        *(batches() if one is None else strategy_of(check, name, one) for one in each)
    )


def _is_array(leaf: Any) -> bool:
    if isinstance(leaf, np.ndarray):
        return leaf.dtype.kind not in "OSU"
    return isinstance(leaf, jax.Array | np.generic | bool | int | float | complex)


def _told(leaf: Any) -> str:
    if isinstance(leaf, st.SearchStrategy):
        return "a strategy inside another container"
    if callable(leaf):
        name = getattr(leaf, "__name__", type(leaf).__name__)
        return f"the function {name}, which is to be called"
    return repr(leaf)
