"""Flax NNX: objects that a function closes over stay as they are.

When `nnx.jit` or another transformation of Flax meets an object of an outer
trace, it empties it, and only then refuses to change it. A function that works
without a trace would so lose the user's model in ours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any

from flax import nnx
from flax.errors import TraceContextError
from flax.nnx import extract

from jaxdebug.programs._jax.source import is_users


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
            "write nnx.cached_partial(nnx.jit(probe(step)), model)."
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
    code = function.__code__
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    found = [(name, cell.cell_contents) for name, cell in cells if _is_full(cell)]
    found += [("a default", value) for value in function.__defaults__ or ()]
    if is_users(code.co_filename):
        names = dict.fromkeys(_global_names(code))
        found += [
            (n, function.__globals__[n]) for n in names if n in function.__globals__
        ]
    return found


def _is_full(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:  # the variable has no value yet
        return False
    return True


def _global_names(code: CodeType) -> Iterator[str]:
    """Names that code, and the functions inside it, may look up in a module."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)
