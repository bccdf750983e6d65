"""What a case of the verification consists of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

PASS, FAIL, OPEN = "pass", "fail", "inconclusive"


class Case(NamedTuple):
    """A function at a point, and the verdicts that are right for its gradient.

    Attributes:
        function: of the arguments.
        args: inexact ones are cast to the precision that is tested.
        verdicts: those that are right.
        reason: of some leaf or rule, if it matters.
        options: of `check_gradients`.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    verdicts: tuple[str, ...] = (PASS,)
    reason: str = ""
    options: Mapping[str, Any] = {}


def normal(*shape: int, seed: int = 1) -> np.ndarray:
    """Standard normal numbers."""
    return np.random.default_rng(seed).normal(size=shape)


def with_rule(
    function: Callable[..., Any],
    backward: Callable[..., Any],
    forward: Callable[..., Any] | None = None,
) -> Callable[..., Any]:
    """The function with a derivative rule; its backward gets the argument."""
    wrapped = jax.custom_vjp(function)
    wrapped.defvjp(forward or (lambda x: (function(x), x)), backward)
    return wrapped


@contextmanager
def working_in(precision: str) -> Iterator[Any]:
    """Settings and dtype of a precision; callbacks see global settings alone."""
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", precision == "float64")
    try:
        yield jnp.dtype(precision)
    finally:
        jax.config.update("jax_enable_x64", before)


def cast(args: Any, dtype: Any) -> Any:
    """Inexact arguments in a dtype, complex ones in the complex dtype of its size."""

    def one(leaf: Any) -> Any:
        if jax.dtypes.issubdtype(getattr(leaf, "dtype", None), jax.dtypes.extended):
            return leaf  # a random key
        array = np.asarray(leaf)
        if np.iscomplexobj(array):
            return jnp.asarray(array, jnp.result_type(dtype, jnp.complex64))
        is_float = np.issubdtype(array.dtype, np.floating)
        return jnp.asarray(array, dtype) if is_float else leaf

    return jax.tree.map(one, args)
