"""Equinox: marks at the outputs of modules, by a class for each path.

Equinox calls nothing of ours when a module is called, so the copies of the
arguments that belong to a trace get classes whose `__call__` marks what the
user's class returns. Paths are those of the parameters, as `layers/0`. A tree of
an optimiser's moments gets the classes of the module that it is like, so that
trees of one model stay of one structure. No class and no object of the user
changes.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import equinox as eqx
import jax

from jaxdebug.programs.markers import mark_outputs
from jaxdebug.programs.scopes import WITHIN, ModulePath

_OWN = "_jaxdebug_class"
"""Where a class of ours keeps the class it stands for."""


@contextmanager
def marking(arguments: Any) -> Iterator[None]:
    """Context in which modules of a trace are marked when they are called.

    Args:
        arguments: `(args, kwargs)` of the traced function; copies of the trace's.
    """
    for node, name in _named(_outermost(arguments, ())):
        own = type(node)
        if _is_layer(own):
            object.__setattr__(node, "__class__", _marking_class(own, name))
    yield


class _Family(NamedTuple):
    """Modules that may be of one structure: a model, its average, its moments."""

    path: ModulePath
    """Of the model, without the argument it is in."""
    cls: type
    shapes: tuple[tuple[int, ...], ...]


def _named(
    roots: Sequence[tuple[ModulePath, eqx.Module]],
) -> Iterator[tuple[eqx.Module, ModulePath]]:
    """Every module in the arguments, with the path it is to be marked by.

    The argument's position, or its keyword, is in the path only where modules of
    other arguments have the same path, as it is in the paths of parameters, and
    where all modules that may be of one structure are in one argument.
    """
    known = {(path[2:], type(module)) for path, module in roots}
    families: dict[_Family, set[str]] = {}
    named = []
    for path, module in roots:
        short = path[2:]
        # The moments of a model stand under its path at the end of their own.
        tails = (short[start:] for start in range(1, len(short) + 1))
        model = next((t for t in tails if (t, type(module)) in known), short)
        family = _Family(model, type(module), _shapes(module))
        arguments = families.setdefault(family, set())
        if model == short:
            arguments.add(path[1])
        named += [
            (node, inner or (type(node).__name__,), family)
            for inner, node in _modules(module, model)
        ]
    sharing: dict[ModulePath, set[_Family]] = defaultdict(set)
    for _, name, family in named:
        sharing[name].add(family)
    for node, name, family in named:
        is_alone = len(sharing[name]) == 1 or len(families[family]) != 1
        yield node, name if is_alone else (*families[family], *name)


def _shapes(module: eqx.Module) -> tuple[tuple[int, ...], ...]:
    return tuple(x.shape for x in jax.tree.leaves(module) if eqx.is_inexact_array(x))


def restored(tree: Any) -> Any:
    """A result as the function returned it: modules of the user's own classes."""
    for _, root in _outermost(tree, ()):
        for _, node in _modules(root, ()):
            own = getattr(type(node), _OWN, None)
            if own is not None:
                object.__setattr__(node, "__class__", own)
    return tree


def _outermost(tree: Any, path: ModulePath) -> list[tuple[ModulePath, eqx.Module]]:
    leaves = jax.tree_util.tree_leaves_with_path(tree, is_leaf=_is_module)
    return [
        ((*path, *(jax.tree_util.keystr((key,), simple=True) for key in keys)), node)
        for keys, node in leaves
        if _is_module(node)
    ]


def _modules(
    module: eqx.Module, path: ModulePath
) -> Iterator[tuple[ModulePath, eqx.Module]]:
    """A module and every module in it, with their paths."""
    yield path, module
    for field in dataclasses.fields(module):  # type: ignore[arg-type]
        value = vars(module).get(field.name)
        if value is not None and not field.metadata.get("static", False):
            for inner, child in _outermost(value, (*path, field.name)):
                yield from _modules(child, inner)


def _is_module(value: Any) -> bool:
    return isinstance(value, eqx.Module)


def _is_layer(cls: type) -> bool:
    """Whether it is called, and is not how Equinox wraps functions itself."""
    file = cls.__module__
    wraps = file.partition(".")[0] == "equinox" and not file.startswith("equinox.nn")
    called = any("__call__" in vars(base) for base in cls.__mro__)
    return called and not wraps and not hasattr(cls, _OWN)


@cache
def _marking_class(own: type, path: ModulePath) -> type:
    """A class that is the user's in all but its `__call__`.

    JAX keeps every class of modules for good, so there is one for each path and
    no more.
    """

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        users: Any = super(marking_class, self)
        with jax.named_scope(WITHIN + "/".join(path)):
            outputs = users.__call__(*args, **kwargs)
        return mark_outputs(outputs, path, _is_no_output, of_parameters=True)

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        own.__init__(self, *args, **kwargs)

    fields = dataclasses.fields(own)  # type: ignore[arg-type]
    attributes: dict[str, Any] = {
        name: getattr(own, name) for name in ("__module__", "__qualname__", "__doc__")
    }
    attributes |= {field.name: _like(field) for field in fields}
    attributes["__annotations__"] = {field.name: Any for field in fields}
    attributes |= {"__call__": __call__, "__init__": __init__, _OWN: own}
    # Made as a subclass of Equinox's class and moved below the user's afterwards:
    # what the user's class does to its subclasses is not for this one.
    marking_class: Any = type(own)(own.__name__, (eqx.Module,), attributes)
    marking_class.__bases__ = (own,)
    return marking_class


def _like(field: Any) -> Any:
    """The field without its default, which only matters where modules are made."""
    return dataclasses.field(metadata=field.metadata)


def _is_no_output(value: Any) -> bool:
    return isinstance(value, eqx.Module | eqx.nn.State)
