"""Tracing a function with marks at the outputs of its modules."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from functools import wraps
from typing import Any, NamedTuple

from jaxdebug.programs._jax import source
from jaxdebug.programs.program import Program, trace
from jaxdebug.reports.error_text import in_one_line

_marking: ContextVar[bool] = ContextVar("jaxdebug_marking", default=True)
_noticing: ContextVar[bool] = ContextVar("jaxdebug_noticing", default=False)


class Observed(NamedTuple):
    """A traced function, and why its modules have no marks, or ""."""

    program: Program
    unmarked: str


def observed(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, in which the outputs of modules are marked.

    Only for tracing by this library, which copies the arguments. Frameworks that
    the program has not imported are not imported.
    """

    @wraps(function, updated=())
    def marked(*args: Any, **kwargs: Any) -> Any:
        with ExitStack() as stack:
            if "flax.nnx" in sys.modules:
                from jaxdebug.frameworks import nnx_closures

                stack.enter_context(nnx_closures.unharmed(function))
            if not _marking.get():
                return function(*args, **kwargs)
            stack.enter_context(source.marked_trace())
            if "flax.linen" in sys.modules:
                from jaxdebug.frameworks import linen

                stack.enter_context(linen.marking())
            if "haiku" in sys.modules:
                from jaxdebug.frameworks import haiku

                stack.enter_context(haiku.marking())
            restore = []
            if "equinox" in sys.modules:
                from jaxdebug.frameworks import equinox_marking

                stack.enter_context(equinox_marking.marking((args, kwargs)))
                restore.append(equinox_marking.restored)
            if "flax.nnx" in sys.modules:
                from jaxdebug.frameworks import nnx_marking

                stack.enter_context(
                    nnx_marking.marking((args, kwargs), _noticing.get())
                )
                restore.append(nnx_marking.restored)
            result = function(*args, **kwargs)
            for own_classes in restore:
                # What a step changed in place is a result too.
                result, (args, kwargs) = own_classes((result, (args, kwargs)))
            return result

    return marked


def trace_observed(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Observed:
    """Trace a function that is, or calls, one that `observed` returned.

    Where modules of NNX that it does not get as arguments made equations, it is
    traced again by a slower way that marks modules which it builds itself.

    Some functions cannot be marked: those that ask whether two modules are of one
    class, such as `jax.tree.map` over several layers, or `eqx.combine` with a half
    that they close over. They are traced as they are, and the reason is handed on.
    """
    try:
        program = trace(function, *args, **kwargs)
    except Exception as error:
        program = None
        because = in_one_line(error)
        reason = f"could not be marked: {because}"
    if program is None:
        with _set(_marking, False):
            # A mistake of the function's own is raised here, as without us.
            return Observed(trace(function, *args, **kwargs), reason)
    reason = _unmarked(program)
    if reason:
        with suppress(Exception), _set(_noticing, True):
            program = trace(function, *args, **kwargs)
            reason = _unmarked(program)
    return Observed(program, reason)


def _unmarked(program: Program) -> str:
    """Which modules of NNX made equations and have no marks, if there are any."""
    if "flax.nnx" not in sys.modules:
        return ""
    from jaxdebug.frameworks.nnx_unmarked import unmarked_calls

    names = unmarked_calls(program.jaxpr)
    if not names:
        return ""
    return (
        f"not seen as layers, because they are no arguments: {', '.join(names)}. Hand "
        "the module to the function"
    )


@contextmanager
def _set(variable: ContextVar[bool], value: bool) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
