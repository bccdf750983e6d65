"""`assert_jit_consistent`: compiled, a function does what it does as Python."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxdebug.checks.settings import undisturbed
from jaxdebug.reports.error_text import in_one_line
from jaxdebug.testing.assertions.report import AssertionReport, asserted, name_of
from jaxdebug.testing.assertions.roundings import differences, with_noise
from jaxdebug.testing.layers.gap import Unlike

IN_PYTHON = (
    "Look for what Python does besides: a counter, NumPy's random numbers, a list that "
    "grows, `if` on a value, a change of an argument.",
)


def assert_jit_consistent(
    fn: Callable[..., Any], *args: Any, **kwargs: Any
) -> AssertionReport:
    """Raise unless a function returns compiled what it returns operation by operation.

    It is called twice as Python and twice compiled, so that a function that remembers
    something, or draws numbers of its own, is found too.

    Args:
        fn: a function of pytrees of arrays, or one that `jax.jit` made: its static
            arguments stay static. Arguments that are no arrays or numbers are part of
            the program, flags too.
        *args: of the function.
        **kwargs: of the function.

    Returns:
        The report, which passed.

    Raises:
        ReportFailed: an AssertionError with every leaf that differs by more than
            roundings of arguments explain, or with what it raises only when compiled.

    Cost:
        Two calls operation by operation; one program, and with a difference another.

    Limits:
        What it does besides returning, such as printing, is not looked at.

    Example:
        >>> import jax.numpy as jnp
        >>> assert_jit_consistent(jnp.tanh, jnp.ones(3)).ok
        True
    """
    __tracebackhide__ = True
    plain = getattr(fn, "__wrapped__", fn) if hasattr(fn, "lower") else fn
    # A function that is jitted knows itself which arguments are static.
    function, leaves = _of_leaves(plain, args, kwargs, _is_traced)
    if plain is not fn:
        compiled = partial(fn, *args, **kwargs)
    else:
        compiled = partial(jax.jit(function), *leaves)
    undecided: tuple[str, ...] = ()
    with undisturbed((args, kwargs)), jax.disable_jit(False):
        expected, again = (plain(*args, **kwargs) for _ in range(2))
        wrong = _unlike("called twice as Python", expected, again)
        try:
            found = compiled()
            wrong += _unlike("compiled, called twice", found, compiled())
            if _unlike("compiled", expected, found):
                own = _of_leaves(fn, args, kwargs, _is_array)
                said = differences(expected, found, with_noise(own[0])(*own[1])[1])
                wrong += [f"compiled, {text}" for text in said.wrong]
                undecided = said.undecided
        except Unlike as error:
            wrong.append(f"compiled, {error}")
        except Exception as error:  # whatever the user's Python raises
            wrong.append(f"compiled, it raises {in_one_line(error)}")
    return asserted(
        "assert_jit_consistent",
        name_of(fn),
        "compiled it returns what it returns as Python",
        wrong,
        undecided=undecided,
        remedies=IN_PYTHON,
    )


def _unlike(what: str, expected: Any, found: Any) -> list[str]:
    """What two results do not have in common."""
    try:
        said = differences(expected, found, [])
    except Unlike as error:
        return [f"{what}, {error}"]
    return [f"{what}, {text}" for text in said.wrong]


def _is_traced(leaf: Any) -> bool:
    """Whether jit takes it as an array; flags, names and functions are part of it."""
    if isinstance(leaf, bool):
        return False
    return isinstance(leaf, jax.Array | np.ndarray | np.generic | int | float | complex)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray)


def _of_leaves(
    fn: Callable[..., Any], args: Any, kwargs: Any, taken: Callable[[Any], bool]
) -> tuple[Callable[..., Any], list[Any]]:
    """A call as a function of some of the leaves of its arguments, and these."""
    leaves, tree = jax.tree.flatten((args, kwargs))
    places = [i for i, leaf in enumerate(leaves) if taken(leaf)]

    def of(*some: Any) -> Any:
        every = list(leaves)
        for i, leaf in zip(places, some, strict=True):
            every[i] = leaf
        own, named = jax.tree.unflatten(tree, every)
        return fn(*own, **named)

    return of, [leaves[i] for i in places]
