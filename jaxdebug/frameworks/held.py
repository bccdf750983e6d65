"""Arguments that are no arrays: functions, strings, optimisers, static arguments.

A trace is of arrays. Whatever else a function is given is part of the function:
it is held fixed, as `equinox.filter_jit` and `static_argnames` do, and what was
traced with it serves calls with an equal one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

import jax
import numpy as np
from jax.tree_util import register_pytree_node_class

from jaxdebug.programs._jax.static import static_arguments

_NUMBERS = (bool, int, float, complex)


class _Constant:
    """A value as JAX compares what belongs to the structure of a pytree."""

    def __init__(self, value: Any) -> None:
        self.value = value
        # Types too: 1, 1.0 and True are equal and yet make different programs.
        self.key: Hashable = (type(value), value)
        try:
            hash(self.key)
        except TypeError:
            self.key = object()  # nothing else is sure to be the same

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Constant) and bool(self.key == other.key)

    def __hash__(self) -> int:
        return hash(self.key)


@register_pytree_node_class
class Held:
    """Stands for a value that is no array; a pytree without leaves."""

    def __init__(self, constant: _Constant) -> None:
        self.constant = constant

    @property
    def value(self) -> Any:
        """What it stands for."""
        return self.constant.value

    def tree_flatten(self) -> tuple[tuple[()], _Constant]:
        """No leaves; the value belongs to the structure."""
        return (), self.constant

    @classmethod
    def tree_unflatten(cls, constant: _Constant, _: tuple[()]) -> Held:
        """The same value."""
        return cls(constant)


def is_held(node: Any) -> bool:
    """Whether it stands for a value that is no array."""
    return isinstance(node, Held)


def hold(value: Any) -> Held:
    """Something that stands for the value in a pytree of arrays."""
    return Held(_Constant(value))


def hold_static(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with those held that a jitted function has as static ones."""
    positions, names = static_arguments(function)
    numbers = {p % len(args) for p in positions if -len(args) <= p < len(args)}
    return (
        tuple(hold(a) if i in numbers else a for i, a in enumerate(args)),
        {name: hold(a) if name in names else a for name, a in kwargs.items()},
    )


def hold_leaf(function: Callable[..., Any]) -> Callable[[Any], Any]:
    """How to take a leaf of the function's arguments: arrays and numbers as they are.

    `equinox.filter_jit` has Python's numbers as constants too.
    """
    numbers = () if _is_filter_jit(function) else _NUMBERS

    def taken(leaf: Any) -> Any:
        if _is_array(leaf) or isinstance(leaf, numbers):
            return leaf
        return hold(leaf)

    return taken


def _is_array(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    is_shaped = hasattr(leaf, "shape") and dtype is not None
    return hasattr(leaf, "__jax_array__") or (
        is_shaped and getattr(dtype, "kind", "V") not in "OSUMm"
    )


def _is_filter_jit(function: Callable[..., Any]) -> bool:
    """Whether it is made by equinox.filter_jit; imports no Equinox."""
    return type(function).__module__ == "equinox._jit"


def require_constants(tool: str, arguments: Any) -> None:
    """Refuse what is held and yet no constant: an iterator, an object with arrays.

    Args:
        tool: who was given the arguments.
        arguments: `(args, kwargs)` with what is no array held.

    Raises:
        TypeError: says what was found, where, and what to do.
    """
    for path, node in _held(arguments):
        value = node.value
        found, hint = type(value).__name__, ""
        if isinstance(value, Iterator):
            hint = "Hand in one batch, as next(batches), not what makes them."
        elif isinstance(value, np.ndarray | np.generic):
            found += f" of {value.dtype}"
            hint = "Close over what is not an array of numbers."
        elif _holds_arrays(value):
            found += ", which holds arrays and is no pytree"
            hint = "Hand in its arrays, or make it a pytree."
        if hint:
            raise TypeError(
                f"{tool} expects arguments that are pytrees of arrays, numbers and "
                f"constants such as functions and strings; found at {_place(path)} a "
                f"leaf of type {found}. {hint}"
            )


def _held(tree: Any) -> Iterator[tuple[Any, Held]]:
    for path, node in jax.tree_util.tree_leaves_with_path(tree, is_leaf=is_held):
        if is_held(node):
            yield path, node


def _holds_arrays(value: Any) -> bool:
    if callable(value) or isinstance(value, type):
        return False  # a function may close over arrays: they are constants
    leaves = jax.tree.leaves(list(getattr(value, "__dict__", {}).values()))
    return any(isinstance(leaf, jax.Array | np.ndarray) for leaf in leaves)


def _place(path: Any) -> str:
    """`argument 1, field x/0`, or the keyword's name."""
    kind, name, *rest = (jax.tree_util.keystr((k,), simple=True) for k in path)
    where = f"argument {name}" if kind == "0" else name
    return where + (f", field {'/'.join(rest)}" if rest else "")
