"""Flax NNX: objects that a function closes over stay as they are.

When `nnx.jit` or another transformation of Flax meets an object of an outer
trace, it empties it, and only then refuses to change it. A function that works
without a trace would so lose the user's model in ours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, MethodType
from typing import Any

from flax import nnx
from flax.errors import TraceContextError
from flax.nnx import extract

from jaxdebug.programs._jax.source import is_users
from jaxdebug.programs.function_scope import full_cells, global_names


@contextmanager
def unharmed(function: Callable[..., Any]) -> Iterator[None]:
    """Context in which a function is traced; what it closes over is given back.

    Raises:
        TypeError: if it changes objects that are not among its arguments.
    """
    found = closed_over(function)
    before = [(value, dict(vars(value))) for _, value in found]
    try:
        yield
    except BaseException as error:
        for value, attributes in before:
            vars(value).clear()
            vars(value).update(attributes)
        if not found or not _refuses_a_change(error):
            raise
        raise TypeError(
            "expected a function that changes only NNX objects among its arguments; "
            "found that it changes one that it closes over, or hands one to nnx.grad "
            f"or the like: {_roots(found)}. Make it an argument of the function that "
            "jaxdebug is given. In place of probe(nnx.cached_partial(step, model)) "
            "write nnx.cached_partial(nnx.jit(probe(step)), model); likewise "
            "nnx.cached_partial(watch(nnx.jit(step)), model)."
        ) from error


def _refuses_a_change(error: BaseException) -> bool:
    """Whether Flax refuses to change what belongs to another trace."""
    if isinstance(error, TraceContextError):
        return True
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    here = frame is not None and frame.tb_frame.f_code is _ALIASING_CHECK
    return here and isinstance(error, ValueError)


_ALIASING_CHECK = extract.check_consistent_aliasing.__code__
"""What Flax's grad and others call; it says so by a ValueError."""


def _roots(found: list[tuple[str, Any]]) -> str:
    """Name and class of each object that is in no other."""
    names = {name for name, _ in found}
    roots = {
        name: type(value).__name__
        for name, value in found
        if not any(name.startswith(f"{other}/") for other in names)
    }
    return ", ".join(f"{name} ({kind})" for name, kind in roots.items())


def closed_over(function: Callable[..., Any]) -> list[tuple[str, Any]]:
    """Modules and other objects that a function reaches but is not given, by name.

    Globals and closures of the user's functions, of methods and of partials are
    searched, and what they call in turn.
    """
    found: dict[int, tuple[str, Any]] = {}
    seen: set[int] = set()
    queue: list[tuple[str, Any]] = [("", function)]
    for name, value in queue:
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, FunctionType):
            queue += _captured(value)
        elif isinstance(value, MethodType):
            queue += [(name, value.__self__), (name, value.__func__)]
        elif isinstance(value, functools.partial):
            bound = (value.args, value.keywords)
            queue += [(name, value.func), (name, bound)]
        elif not isinstance(value, type) and hasattr(value, "__wrapped__"):
            queue.append((name, value.__wrapped__))
        elif isinstance(value, nnx.Pytree | list | tuple | dict):
            for path, node in nnx.iter_graph(value, graph=True):
                if isinstance(node, nnx.Pytree):
                    spelled = "/".join(map(str, (name or "self", *path)))
                    found.setdefault(id(node), (spelled, node))
                elif callable(node):
                    queue.append((name, node))
    return list(found.values())


def _captured(function: FunctionType) -> list[tuple[str, Any]]:
    """Values that a function reads from outside, by their names."""
    found = [(name, cell.cell_contents) for name, cell in full_cells(function)]
    found += [("a default", value) for value in function.__defaults__ or ()]
    if is_users(function.__code__.co_filename):
        scope = function.__globals__
        found += [(name, scope[name]) for name in global_names(function)]
    return found
