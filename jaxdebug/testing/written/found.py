"""Layers and derivative rules that a Python module or package defines."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from types import ModuleType
from typing import Any, NamedTuple

import jax

KINDS = (
    ("flax.linen", "Module"),
    ("flax.nnx", "Module"),
    ("equinox", "Module"),
)


class Found(NamedTuple):
    """Something to test."""

    name: str
    value: Any
    kind: str
    """The module of the framework whose layer class it is; `rule` of a function."""


class Part(NamedTuple):
    """A Python module with something to test."""

    module: str
    found: tuple[Found, ...]


def find(name: str) -> tuple[list[Part], list[str]]:
    """Import a module, and those below it, and find what is to be tested.

    Args:
        name: its dotted name.

    Returns:
        The modules that define something, and why others could not be imported.

    Raises:
        Exception: whatever importing the first module raises.
    """
    first = importlib.import_module(name)
    parts, failed = [_part(first)], []
    for info in pkgutil.walk_packages(getattr(first, "__path__", ()), f"{name}."):
        if info.name.rpartition(".")[2] == "__main__":
            continue  # importing it runs a program
        try:
            parts.append(_part(importlib.import_module(info.name)))
        except Exception as error:  # whatever the user's module raises
            failed.append(f"{info.name}: {type(error).__name__}: {error}")
    return [part for part in parts if part.found], failed


def _part(module: ModuleType) -> Part:
    found = []
    for name, value in vars(module).items():
        kind = _kind(value)
        # What is only imported is tested where it is defined.
        is_own = getattr(value, "__module__", None) == module.__name__
        if kind and is_own and not name.startswith("_") and _is_whole(value):
            found.append(Found(name, value, kind))
    return Part(module.__name__, tuple(found))


def _kind(value: Any) -> str:
    if isinstance(value, jax.custom_jvp | jax.custom_vjp):
        return "rule"
    if not isinstance(value, type):
        return ""
    for module, name in KINDS:
        framework = getattr(sys.modules.get(module), name, None)
        if framework is not None and issubclass(value, framework):
            return module
    return ""


def _is_whole(value: Any) -> bool:
    """Whether it can be called; a class of layers must not be abstract."""
    if not isinstance(value, type):
        return True
    is_called = any("__call__" in vars(base) for base in value.__mro__)
    return is_called and not getattr(value, "__abstractmethods__", None)
