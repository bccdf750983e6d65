"""`assert_same_gradients`: two functions have the same value and gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.arguments import positions
from jaxdebug.checks.settings import undisturbed
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.shadow import shadow
from jaxdebug.testing.assertions.report import AssertionReport, asserted, name_of
from jaxdebug.testing.assertions.roundings import (
    Differences,
    differences,
    with_noise,
)
from jaxdebug.testing.layers.draw import scattered
from jaxdebug.testing.layers.gap import ULPS, Unlike

LITERALS = 8
"""Roundings of the working dtype by which two functions may differ in float64: numbers
that they are written with are rounded before."""


def assert_same_gradients(
    f: Callable[..., Any],
    g: Callable[..., Any],
    *args: Any,
    argnums: int | Sequence[int] | None = None,
) -> AssertionReport:
    """Raise unless two functions have the same value and the same gradient.

    Outputs are contracted with the same numbers without a pattern, and each element
    of the gradients is compared. Where they differ in the dtypes that the functions
    use by more than roundings explain, they are computed again in float64: if they
    are the same there, it is roundings after all.

    Args:
        f: a function of pytrees of arrays; returns any pytree.
        g: another one of the same arguments, such as a faster one.
        *args: where they are compared.
        argnums: which arguments are differentiated by; by default all that hold
            floating numbers.

    Returns:
        The report, which passed.

    Raises:
        ReportFailed: an AssertionError with every leaf that differs, and the element
            that differs most; or if roundings leave too little to tell.

    Cost:
        Two programs of the value and the gradient of `f`, one of `g`; in float64 again
        if they differ.

    Limits:
        Where a function has no derivative, such as at a tie, what each says by
        convention is compared. That one loses digits which the other keeps passes, up
        to where it is not finite: `check_precision` says that.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> same = assert_same_gradients(
        ...     jax.nn.softplus, lambda x: jnp.logaddexp(x, 0.0), jnp.arange(3.0)
        ... )
        >>> same.ok
        True
    """
    __tracebackhide__ = True
    numbers = range(len(args)) if argnums is None else positions(argnums, len(args))
    name, says = name_of(g), f"{name_of(g)} has value and gradient of {name_of(f)}"
    made = [_value_and_gradient(function, tuple(numbers)) for function in (f, g)]
    with undisturbed(args):
        expected, noise = with_noise(made[0])(*args)
        found = jax.jit(made[1])(*args)
        notes = [f"{len(noise)} arrays, up to {ULPS} roundings of the largest element."]
        try:
            said = differences(expected, found, noise)
        except Unlike as error:
            said = Differences((str(error),), (), False)
        if (said.wrong and said.are_finite) or said.undecided:
            wide = tuple(shadow(function)(*args) for function in made)
            # Where roundings hide everything, they must not hide it here too.
            off = noise if said.wrong else [0.0] * len(noise)
            if not _wide_differences(wide, expected, off).wrong:
                said = Differences((), (), True)
                notes.append("The difference is roundings: in float64 there is none.")
            elif said.wrong:
                notes.append("They differ in float64 as well.")
    return asserted(
        "assert_same_gradients",
        name,
        says,
        said.wrong,
        undecided=said.undecided,
        notes=notes,
    )


def _wide_differences(
    wide: tuple[Any, ...], native: Any, noise: Sequence[Any]
) -> Differences:
    """How two results differ, up to roundings of numbers they are made with."""
    dtypes = [leaf.dtype for leaf in jax.tree.leaves(native)]
    eps = [float(jnp.finfo(d).eps) for d in dtypes if jnp.issubdtype(d, jnp.inexact)]
    expected, found = wide
    return differences(expected, found, noise, LITERALS * min(eps, default=0.0))


def _value_and_gradient(
    function: Callable[..., Any], numbers: tuple[int, ...]
) -> Callable[..., Any]:
    """Of the arguments, what the function returns and its gradient, by argument."""

    def made(*args: Any) -> Any:
        flat = [jax.tree.flatten(args[number]) for number in numbers]
        moving = [[is_inexact(jax.typeof(leaf)) for leaf in part] for part, _ in flat]

        def of(parts: list[list[Any]]) -> tuple[list[Any], Any]:
            every = list(args)
            for number, (own, tree), moved, part in zip(
                numbers, flat, moving, parts, strict=True
            ):
                rest = iter(part)
                pairs = zip(own, moved, strict=True)
                leaves = [next(rest) if is_moved else leaf for leaf, is_moved in pairs]
                every[number] = jax.tree.unflatten(tree, leaves)
            out = function(*every)
            leaves = jax.tree.leaves(out)
            return [one for one in leaves if is_inexact(jax.typeof(one))], out

        point = [
            [leaf for leaf, is_moved in zip(own, moved, strict=True) if is_moved]
            for (own, _), moved in zip(flat, moving, strict=True)
        ]
        out, pull_back, value = jax.vjp(of, point, has_aux=True)
        (cotangents,) = pull_back(
            [
                scattered(np.shape(leaf), number).astype(leaf.dtype)
                for number, leaf in enumerate(out)
            ]
        )
        gradient = {}
        for number, (_, tree), moved, part in zip(
            numbers, flat, moving, cotangents, strict=True
        ):
            rest = iter(part)
            # What is not differentiated by has no gradient: no leaf.
            filled = [next(rest) if is_moved else None for is_moved in moved]
            if any(moved):
                gradient[f"gradient of argument {number}"] = jax.tree.unflatten(
                    tree, filled
                )
        return {"value": value} | gradient

    return made
