"""Haiku: marks at the outputs of every module's methods."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import haiku as hk

from jaxdebug.programs.markers import mark_outputs


def marking() -> AbstractContextManager[Any]:
    """Context in which this thread's calls of Haiku modules are marked.

    Paths are those of the modules' parameters, as `mlp/~/linear_0`; a method other
    than `__call__` follows as Haiku names what is built in it, as `coder/~encode`.
    """
    return hk.intercept_methods(_intercept)


def _intercept(
    method: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    context: hk.MethodContext,
) -> Any:
    module, name = context.module, context.method_name
    outputs = method(*args, **kwargs)
    is_own = _defining_class(module, name) is context.orig_class
    if name == "__init__" or not is_own or _holds_lifted(module):
        return outputs  # a parent's method is a part of the class's own
    path = tuple(module.module_name.split("/"))
    opened = path[-1:]
    if name != "__call__":
        path, opened = (*path, f"~{name}"), (name, *opened)
    return mark_outputs(outputs, path, _is_module, opened)


def _defining_class(module: hk.Module, method: str) -> type | None:
    mro = type(module).__mro__
    return next((base for base in mro if method in vars(base)), None)


def _holds_lifted(module: hk.Module) -> bool:
    """Whether it is what Haiku keeps the parameters of a lifted function in."""
    return type(module).__module__ == hk.lift.__module__


def _is_module(value: Any) -> bool:
    return isinstance(value, hk.Module)
