"""Modules as pytrees of arrays: taken apart on the way in, rebuilt inside a trace.

NNX and Equinox modules hold functions, counters and statistics besides their
parameters. A tool that traces functions of arrays takes every module of its
arguments apart, so that each array stands under the path that the framework
gives it, and rebuilds a copy where the user's function is called: what the
function does to the copy does not reach the user's object.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
from jax.tree_util import register_pytree_with_keys_class

from jaxdebug.frameworks.held import is_held

ModulePath = tuple[str, ...]


class NoArraysError(TypeError):
    """A module without arrays where parameters were expected; a complete message."""


@dataclass(frozen=True, eq=False)
class Form:
    """All of a module that is no array; modules of one form are traced once."""

    paths: tuple[ModulePath, ...]
    """The framework's path of each array."""
    trainable: tuple[bool, ...]
    """Whether the framework differentiates by it."""
    rebuild: Callable[[Sequence[Any], Any], Any]
    """A module with these arrays, given the objects of other forms of its pytree."""
    parameters: Callable[[Sequence[Any]], Any]
    """The tree of trainable arrays that the framework gives an optimiser."""
    key: Hashable
    """What the form is the same by."""
    in_place: bool = False
    """Whether a function that is given the module can change it."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Form) and bool(self._key == other._key)

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> Hashable:
        return self.key, self.paths, self.trainable


@dataclass(frozen=True)
class PathKey:
    """The key of an array that stands several levels deep in its module."""

    names: ModulePath

    def __str__(self) -> str:
        return "/".join(self.names)


@register_pytree_with_keys_class
class ModuleArrays:
    """The arrays of a module, each under its path, and the form of the rest."""

    def __init__(self, arrays: Sequence[Any], form: Form) -> None:
        self.arrays = tuple(arrays)
        self.form = form

    def tree_flatten_with_keys(self) -> tuple[list[tuple[Any, Any]], Form]:
        """Each array with its whole path as one key."""
        keys = map(PathKey, self.form.paths)
        return list(zip(keys, self.arrays, strict=True)), self.form

    def tree_flatten(self) -> tuple[tuple[Any, ...], Form]:
        """The arrays alone, which is faster."""
        return self.arrays, self.form

    @classmethod
    def tree_unflatten(cls, form: Form, arrays: Sequence[Any]) -> ModuleArrays:
        """The same module with other arrays."""
        return cls(arrays, form)


class Walk(NamedTuple):
    """A pytree with its modules taken apart or put together."""

    tree: Any
    objects: Any
    """The NNX objects in it, each with its number; None without Flax."""


def split(tree: Any) -> Any:
    """A pytree with every module in it taken apart; the modules stay as they are.

    Args:
        tree: any pytree. Frameworks that the program has not imported are not
            imported.

    Returns:
        The same pytree with a `ModuleArrays` in the place of each module. An array
        that two NNX modules share stands in the first.

    Raises:
        NoArraysError: if it holds a Linen module, which has no arrays of its own.
    """
    return take_apart(tree).tree


def take_apart(
    tree: Any, known: Any = None, other: Callable[[Any], Any] | None = None
) -> Walk:
    """As `split`; NNX objects that are `known` refer to those of that walk.

    Args:
        tree: any pytree.
        known: the objects of another walk.
        other: what takes each leaf that is no such module; by default it stays as
            it is, and a Linen module is refused.
    """
    take_other = other or _refuse_linen
    splitters, objects = _splitters(known)

    def take(node: Any) -> Any:
        for is_module, form_of in splitters:
            if is_module(node):
                return form_of(node)
        return take_other(node)

    def is_leaf(node: Any) -> bool:
        # JAX warns of an iterator that it is not told to leave alone.
        is_module = any(check(node) for check, _ in splitters)
        return is_module or isinstance(node, Iterator)

    return Walk(jax.tree.map(take, tree, is_leaf=is_leaf), objects)


def _refuse_linen(node: Any) -> Any:
    if _is_linen(node):
        raise NoArraysError(
            "expected parameters; found a Linen module, "
            f"{type(node).__name__}, which holds none. Give its variables, as "
            "model.init(key, x)['params'], and call model.apply in the function."
        )
    return node


def rebuild(tree: Any) -> Any:
    """The pytree with a new module in the place of each `ModuleArrays`."""
    return put_together(tree).tree


def put_together(tree: Any, known: Any = None) -> Walk:
    """As `rebuild`; objects that refer to those `known` become the same objects.

    What is held fixed is there again as well.
    """
    objects = _new_objects(known)

    def make(node: Any) -> Any:
        if is_held(node):
            return node.value
        return node.form.rebuild(node.arrays, objects)

    return Walk(_replace(tree, make, _is_replaced), objects)


def parameters(tree: Any) -> Any:
    """The pytree with only the trainable arrays of each module, as optimisers see it.

    For NNX the pure state of its `nnx.Param`, for Equinox the module with None
    for everything but inexact arrays.
    """
    return _replace(tree, lambda taken: taken.form.parameters(taken.arrays))


def trainable(tree: Any) -> list[bool | None]:
    """For each leaf whether its module trains it; None outside of modules."""
    flags: list[bool | None] = []
    for node in jax.tree.leaves(tree, is_leaf=is_taken):
        flags += node.form.trainable if is_taken(node) else [None]
    return flags


def is_taken(node: Any) -> bool:
    """Whether it stands for a module."""
    return isinstance(node, ModuleArrays)


def _is_replaced(node: Any) -> bool:
    return is_taken(node) or is_held(node)


def _replace(
    tree: Any,
    make: Callable[[Any], Any],
    replaced: Callable[[Any], bool] = is_taken,
) -> Any:
    if not any(map(replaced, jax.tree.leaves(tree, is_leaf=replaced))):
        return tree  # a copy would keep to itself what is changed in place
    return jax.tree.map(
        lambda node: make(node) if replaced(node) else node, tree, is_leaf=replaced
    )


def shared_scopes() -> tuple[str, ...]:
    """Beginnings of name scopes that tell no two layers of a framework apart."""
    if "equinox" not in sys.modules:
        return ()
    from jaxdebug.frameworks import equinox

    return equinox.SHARED_SCOPES


_Splitter = tuple[Callable[[Any], bool], Callable[[Any], ModuleArrays]]


def _splitters(known: Any) -> tuple[list[_Splitter], Any]:
    """How to know and take apart the modules of each framework that is imported."""
    found: list[_Splitter] = []
    objects = _new_objects(known)
    if objects is not None:
        found.append((objects.holds, objects.take_apart))
    if "equinox" in sys.modules:
        from jaxdebug.frameworks import equinox

        found.append((equinox.is_module, equinox.take_apart))
    return found, objects


def _new_objects(known: Any) -> Any:
    if "flax.nnx" not in sys.modules:
        return None
    from jaxdebug.frameworks.nnx_split import Objects

    return Objects(known)


def _is_linen(value: Any) -> bool:
    """Whether it is a Linen module; imports no Flax."""
    return any(base.__module__ == "flax.linen.module" for base in type(value).__mro__)


def form_key(*parts: Any) -> Hashable:
    """What a form is the same by; nothing else has it if a part has no hash."""
    try:
        hash(parts)
    except TypeError:
        return object()
    return parts
