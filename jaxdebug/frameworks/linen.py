"""Flax Linen: marks at the outputs of every module's methods."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from flax import linen as nn

from jaxdebug.programs.markers import mark_outputs


def marking() -> AbstractContextManager[Any]:
    """Context in which this thread's calls of Linen modules are marked.

    Paths are spelled as Linen's own name scopes are: the class of the outermost
    module, then the path of the module in it; a method other than `__call__`
    follows the last name after a dot.
    """
    roots: list[str] = []

    def intercept(
        method: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        context: nn.module.InterceptorContext,
    ) -> Any:
        module, name = context.module, context.method_name
        if name == "setup":
            return method(*args, **kwargs)
        # A function lifted with a module is called as a method it does not have:
        # its scope is no layer.
        if not hasattr(type(module), name):
            return mark_outputs(method(*args, **kwargs), (), _is_module)
        roots.append(_root_name(module, roots))
        try:
            outputs = method(*args, **kwargs)
            path = (roots[-1], *_path(module))
        finally:
            roots.pop()
        if name != "__call__":
            path = (*path[:-1], f"{path[-1]}.{name}")
        return mark_outputs(outputs, path, _is_module)

    return nn.intercept_methods(intercept)


def _root_name(module: nn.Module, roots: list[str]) -> str:
    """What the outermost module of a call is called.

    Inside lifted transformations such as nn.scan a module has lost its parents:
    then it belongs to the call around it.
    """
    root = module
    while isinstance(root.parent, nn.Module):
        root = root.parent
    lost = root.scope is not None and root.scope.path
    if lost and roots:
        return roots[-1]
    return root.name or type(root).__name__


def _path(module: nn.Module) -> tuple[str, ...]:
    """The module's path as Flax has it; its own name where it shares a scope."""
    parent = module.parent
    if not isinstance(parent, nn.Module) or parent.scope is None or not module.name:
        return module.path
    shares = parent.path == module.path
    return (*_path(parent), module.name) if shares else module.path


def _is_module(value: Any) -> bool:
    return isinstance(value, nn.Module)
