"""Arguments as flat arrays, split into what moves and what is given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

import jax
import numpy as np

from jaxdebug.frameworks import modules
from jaxdebug.programs.parameters.leaves import path_names

_NUMBERS = (bool, int, float, complex, np.generic)


class AuditInputError(ValueError):
    """A loss or arguments that cannot be audited; the message is complete."""


class ArgumentTypeError(TypeError, AuditInputError):
    """An argument that is no pytree of arrays."""


@dataclass(frozen=True, eq=False)
class Split:
    """Arguments as flat arrays, some of which are differentiated by.

    Attributes:
        tree: of the arguments.
        count: how many flat arrays there are.
        moving: indices of the inexact leaves of the parameters, of a module those
            that its framework trains.
        paths: path of each of those, in the user's spelling.
        fixed: index and path of every other leaf.
        arguments: positions of the arguments that hold parameters.
    """

    tree: Any
    count: int
    moving: tuple[int, ...]
    paths: tuple[tuple[str, ...], ...]
    fixed: tuple[tuple[int, str], ...]
    arguments: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Paths as one string each."""
        return tuple("/".join(path) or "(params)" for path in self.paths)

    def with_moving(self, leaves: Sequence[Any], moving: Sequence[Any]) -> list[Any]:
        """All flat arrays with the moving ones replaced."""
        every = list(leaves)
        for position, leaf in zip(self.moving, moving, strict=True):
            every[position] = leaf
        return every

    def rebuild(self, leaves: Sequence[Any], moving: Sequence[Any]) -> Any:
        """The parameters' pytree, of the first argument that holds some.

        Of a module the tree that its framework gives an optimiser.
        """
        arguments = jax.tree.unflatten(self.tree, self.with_moving(leaves, moving))[0]
        return modules.parameters(arguments[self.arguments[0]])


def require_seed(tool: str, seed: int) -> None:
    """Refuse what is no seed, when a tool is applied and not later."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(
            f"{tool} expects seed to be an integer from 0 to 2**32 - 1; found {seed!r}."
        )


def require_order(tool: str, order: int) -> None:
    """Refuse what is no order of derivatives, when a tool is applied and not later."""
    if isinstance(order, bool) or order not in (1, 2):
        raise ValueError(f"{tool} expects order to be 1 or 2; found {order!r}.")


def require_names(tool: str, expected: str | Sequence[str]) -> tuple[str, ...]:
    """Names of functions whose rule is meant to differ; one may stand alone."""
    names = (expected,) if isinstance(expected, str) else expected
    is_sequence = isinstance(names, Iterable)
    if not is_sequence or not all(isinstance(name, str) for name in names):
        raise TypeError(
            f"{tool} expects expected to be names of functions whose rule is meant to "
            f"differ, as in expected=('ste',); found {expected!r}."
        )
    return tuple(names)


def place_arguments(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments as JAX takes them under the user's settings, on the device.

    Modules of NNX and Equinox are taken apart; they themselves stay as they are.

    Raises:
        TypeError: if a leaf is no array and no number; says which.
    """
    try:
        args, kwargs = modules.split((args, kwargs))
    except modules.NoArraysError as error:
        raise ArgumentTypeError(str(error)) from None
    leaves, tree = jax.tree.flatten((args, kwargs))
    placed = []
    for leaf, path in zip(leaves, path_names((args, kwargs)), strict=True):
        dtype = getattr(leaf, "dtype", None)
        is_array = hasattr(leaf, "shape") and getattr(dtype, "kind", "V") not in "OSUMm"
        is_array = is_array and not isinstance(leaf, jax.ShapeDtypeStruct)
        if not is_array and not isinstance(leaf, _NUMBERS):
            found = type(leaf).__name__ + ("" if dtype is None else f" of {dtype}")
            raise ArgumentTypeError(
                "expected arguments that are pytrees of arrays and numbers; found "
                f"at {field_name(path)} a leaf of type {found}. Close over what is "
                "not an array. NNX and Equinox modules are taken as they are."
            )
        # Explicit, so that it is allowed under any transfer guard.
        placed.append(jax.device_put(leaf))
    return jax.tree.unflatten(tree, placed)


def split_arguments(
    argnums: int | Sequence[int], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Split:
    """Split arguments at the parameters among them.

    Raises:
        AuditInputError: if `argnums` names no argument, or if there is nothing to
            differentiate by.
        TypeError: if `argnums` is not made of integers.
    """
    numbers = positions(argnums, len(args))
    leaves, tree = jax.tree.flatten((args, kwargs))
    paths = path_names((args, kwargs))
    wanted = {("0", str(number)) for number in numbers}
    trained = modules.trainable((args, kwargs))
    moving, names, fixed = [], [], []
    for position, (leaf, path) in enumerate(zip(leaves, paths, strict=True)):
        is_parameter = path[:2] in wanted and trained[position] is not False
        if is_parameter and jax.dtypes.issubdtype(leaf.dtype, np.inexact):
            moving.append(position)
            names.append(path[2:] if len(numbers) == 1 else path[1:])
        elif not is_parameter:
            fixed.append((position, field_name(path)))
    if not moving:
        raise AuditInputError(
            f"expected floating-point arrays in argument {_list(numbers)}, which "
            f"argnums={argnums} says holds the parameters; found "
            f"{_dtypes_of(leaves, paths, wanted)}. Give the position of the "
            "parameters as argnums, and parameters of a floating dtype. A model that "
            "the function closes over is a constant: hand it in as an argument."
        )
    return Split(tree, len(leaves), tuple(moving), tuple(names), tuple(fixed), numbers)


def _dtypes_of(
    leaves: Sequence[Any], paths: Sequence[tuple[str, ...]], wanted: set[Any]
) -> str:
    found = [
        f"{field_name(path)} of {leaf.dtype}"
        for leaf, path in zip(leaves, paths, strict=True)
        if path[:2] in wanted
    ]
    return "; ".join(found[:3]) or "nothing in it"


def positions(argnums: Any, count: int) -> tuple[int, ...]:
    """The positions that argnums names, counted from the front."""
    numbers = tuple(argnums) if isinstance(argnums, list | tuple) else (argnums,)
    if not all(hasattr(number, "__index__") for number in numbers):
        raise TypeError(
            "expected argnums to be an int or a sequence of int, as in jax.grad; "
            f"found argnums={argnums!r}."
        )
    positions: list[int] = [index(number) for number in numbers]
    inside = [number % count for number in positions if -count <= number < count]
    if not positions or len({*inside}) < len(positions):
        raise AuditInputError(
            "expected argnums to name positional arguments of the loss, each once; "
            f"found argnums={_list(positions) or '()'} with {count} positional "
            "arguments."
        )
    return tuple(inside)


def field_name(path: tuple[str, ...]) -> str:
    """An argument or batch field: `argument 1: x/0`, or the keyword's name."""
    if path[0] == "0":
        rest = "/".join(path[2:])
        return f"argument {path[1]}" + (f", field {rest}" if rest else "")
    return "/".join(path[1:])


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
