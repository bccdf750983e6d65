"""What a function keeps outside of its arguments: attributes, variables, globals.

A trace runs the user's Python once more. A method that keeps its state on its object
would keep the tracers of that trace, and the user's next call would fail; a counter
would count twice.
"""

from __future__ import annotations

import functools
import inspect
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdebug.programs._jax.source import is_users
from jaxdebug.programs.function_scope import full_cells, global_names

MOST = 100_000
"""Entries that are looked at; more is a data set."""


class _Place(NamedTuple):
    """Something that may be changed, and what it held."""

    name: str
    read: Callable[[], Mapping[Any, Any]]
    write: Callable[[Mapping[Any, Any]], None]
    held: Mapping[Any, Any]


class Outside:
    """What a function reaches and is not given, as it was at one time.

    Only what the user's own code holds is looked at: dictionaries, lists, attributes
    of objects, variables of outer functions and of modules.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._places = [*_places(function)]

    def changed(self) -> tuple[str, ...]:
        """Names of places that held arrays and hold others now: a state."""
        names = dict.fromkeys(
            _inner(place.name, key)
            for place in self._places
            for key, value in place.read().items()
            if value is not place.held.get(key)
            and _holds_arrays(value)
            and _holds_arrays(place.held.get(key))
        )
        return tuple(names)

    def restore(self) -> None:
        """Put back all that was there."""
        for place in self._places:
            now = place.read()
            same = now.keys() == place.held.keys()
            if not same or any(now[k] is not v for k, v in place.held.items()):
                place.write(place.held)


@contextmanager
def undone(function: Callable[..., Any]) -> Iterator[None]:
    """Context in which a function is traced: what it did outside of it is undone."""
    outside, draws = Outside(function), (random.getstate(), np.random.get_state())
    try:
        yield
    finally:
        outside.restore()
        random.setstate(draws[0])
        np.random.set_state(draws[1])


def _holds_arrays(value: Any) -> bool:
    return any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(value))


def _places(function: Callable[..., Any]) -> Iterator[_Place]:
    seen: set[int] = set()
    queue: list[tuple[str, Any]] = [("", function)]
    entries = 0
    for name, value in queue:
        if id(value) in seen or entries > MOST:
            continue
        seen.add(id(value))
        made, onward = _look(name, value)
        for place in made:
            entries += len(place.held)
            onward += [(_inner(place.name, k), v) for k, v in place.held.items()]
            yield place
        queue += [(n, v) for n, v in onward if not _is_plain(v)]


def _look(name: str, value: Any) -> tuple[list[_Place], list[tuple[str, Any]]]:
    """Places that a value is, and what else it leads to."""
    if isinstance(value, FunctionType):
        return _function(value)
    if isinstance(value, MethodType):
        return [], [(name, value.__self__), (name, value.__func__)]
    if isinstance(value, functools.partial):
        return [], [(name, each) for each in (value.func, value.args, value.keywords)]
    if isinstance(value, dict):
        return [_Place(name, lambda: dict(value), _refill(value), dict(value))], []
    if isinstance(value, list):
        held = dict(enumerate(value))

        def write(held: Mapping[Any, Any]) -> None:
            value[:] = held.values()

        return [_Place(name, lambda: dict(enumerate(value)), write, held)], []
    if isinstance(value, tuple):
        return [], [(name, each) for each in value]
    if isinstance(value, type | ModuleType):
        return [], []
    attributes = getattr(value, "__dict__", None)
    if isinstance(attributes, dict) and _is_users_class(type(value)):
        kind, put = type(value).__name__, _refill(attributes)
        return [_Place(kind, lambda: dict(attributes), put, dict(attributes))], []
    wrapped = inspect.getattr_static(value, "__wrapped__", None)
    return [], [] if wrapped is None else [(name, wrapped)]


def _function(function: FunctionType) -> tuple[list[_Place], list[tuple[str, Any]]]:
    full = full_cells(function)
    onward = [("", getattr(function, "__wrapped__", None))]
    if not is_users(function.__code__.co_filename):
        # What wraps the user's function, as a library's decorator, keeps its own.
        return [], onward + [(n, c.cell_contents) for n, c in full if _calls(c)]
    places = [_cell(name, cell) for name, cell in full]
    scope = function.__globals__
    names = global_names(function)

    def read() -> dict[str, Any]:
        return {name: scope[name] for name in names if name in scope}

    places.append(_Place("", read, scope.update, read()))
    return places, onward


def _calls(cell: CellType) -> bool:
    return callable(cell.cell_contents)


def _cell(name: str, cell: CellType) -> _Place:
    def write(held: Mapping[Any, Any]) -> None:
        cell.cell_contents = held[name]

    def read() -> dict[str, Any]:
        return {name: cell.cell_contents}

    return _Place("", read, write, read())


def _refill(target: dict[Any, Any]) -> Callable[[Mapping[Any, Any]], None]:
    def write(held: Mapping[Any, Any]) -> None:
        for key in [key for key in target if key not in held]:
            del target[key]
        target.update(held)

    return write


def _inner(name: str, key: Any) -> str:
    return f"{name}.{key}" if name else str(key)


def _is_plain(value: Any) -> bool:
    """Whether nothing can be kept in it."""
    return value is None or isinstance(
        value, jax.Array | np.ndarray | np.generic | str | bytes | int | float | complex
    )


def _is_users_class(kind: type) -> bool:
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return is_users(file) if file else kind.__module__ == "__main__"
