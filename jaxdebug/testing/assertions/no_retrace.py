"""`assert_no_retrace`: several calls are served by one compiled program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from jaxdebug.frameworks.signatures import Signature, call_signature, changed
from jaxdebug.programs.compilations import compilations
from jaxdebug.testing.assertions.report import AssertionReport, asserted, name_of

UNCHANGED = (
    "no argument differs in shape, dtype or static value: the function makes a new "
    "function or jax.jit at every call, or arrays are placed elsewhere"
)
MOST = 4
"""Names of compiled functions that are listed."""

REMEDIES = (
    "Give the argument the same shape and dtype at every call: pad to few sizes, and "
    "make Python's numbers arrays with jnp.asarray(value, dtype).",
    "Make a static argument that takes many values an array.",
    "Make functions and jax.jit once, outside the function that is called many times.",
)


def assert_no_retrace(
    fn: Callable[..., Any], *args_list: tuple[Any, ...]
) -> AssertionReport:
    """Raise if a call compiles anything that the calls before it had not compiled.

    The function is called with the arguments of the first call, which may compile
    what it likes, and then with those of each further one.

    Args:
        fn: a function, jitted as it is used: by `jax.jit`, `nnx.jit`,
            `eqx.filter_jit`, or inside itself.
        *args_list: for each call its positional arguments, as a tuple; two at least.

    Returns:
        The report, which passed.

    Raises:
        ReportFailed: an AssertionError that says which call compiled what, and the
            argument whose shape, dtype or static value was not there before.
        ValueError: if there is one call only.
        TypeError: if what is given for a call is no tuple.

    Cost:
        That of the calls.

    Limits:
        A donated argument is gone after its call: give each call arrays of its own.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> assert_no_retrace(jax.jit(jnp.sin), (jnp.ones(3),), (jnp.zeros(3),)).ok
        True
    """
    __tracebackhide__ = True
    for args in args_list:
        if not isinstance(args, tuple):
            raise TypeError(
                "assert_no_retrace expects for each call a tuple of its arguments, as "
                f"in assert_no_retrace(fn, (x,), (y,)); found {type(args).__name__}."
            )
    if len(args_list) < 2:
        raise ValueError(
            "assert_no_retrace expects the arguments of two calls or more; found "
            f"{len(args_list)}."
        )
    wrong: list[str] = []
    known: list[Signature] = []
    for number, args in enumerate(args_list, 1):
        # Before the call: it may donate its arguments, or change a module.
        signature = call_signature(fn, args, {})
        with compilations() as names:
            jax.block_until_ready(fn(*args))
        if names and known:
            wrong.append(
                f"call {number} compiled {_listed(names)}: {_why(signature, known)}"
            )
        known.append(signature)
    return asserted(
        "assert_no_retrace",
        name_of(fn),
        "after the first call nothing is compiled",
        wrong,
        notes=[f"{len(args_list)} calls."],
        remedies=REMEDIES,
    )


def _why(signature: Signature, known: list[Signature]) -> str:
    change = changed(signature, known)
    if change is None:
        return UNCHANGED
    field = f", field {change.field}" if change.field else ""
    return f"{change.argument}{field} {change.what}"


def _listed(names: list[str]) -> str:
    """The last compiled is the outermost."""
    shown = list(dict.fromkeys(reversed(names)))
    more = len(shown) - MOST
    return ", ".join(shown[:MOST]) + (f" and {more} more" if more > 0 else "")
