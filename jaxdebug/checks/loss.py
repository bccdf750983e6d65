"""A loss split into what moves and what is given, on flat arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from operator import index
from typing import Any

import jax
import numpy as np

from jaxdebug.frameworks import modules
from jaxdebug.frameworks.observed import observed
from jaxdebug.programs.leaves import path_names

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


@dataclass(frozen=True, eq=False)
class Loss:
    """A scalar loss of flat arrays, some of which are parameters.

    Attributes:
        split: which of them.
        scalar: the loss of all flat arrays.
    """

    split: Split
    scalar: Callable[..., Any]

    def gradient(self, *leaves: Any) -> tuple[Any, list[Any]]:
        """Value and gradient by the moving leaves."""

        def moved(moving: list[Any]) -> Any:
            return self.scalar(*self.split.with_moving(leaves, moving))

        return jax.value_and_grad(moved)([leaves[i] for i in self.split.moving])

    def rebuild(self, leaves: Sequence[Any], moving: Sequence[Any]) -> Any:
        """The parameters' pytree, of the first argument that holds some.

        Of a module the tree that its framework gives an optimiser.
        """
        every = self.split.with_moving(leaves, moving)
        arguments = jax.tree.unflatten(self.split.tree, every)[0]
        return modules.parameters(arguments[self.split.arguments[0]])


def require_seed(tool: str, seed: int) -> None:
    """Refuse what is no seed, when a tool is applied and not later."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(
            f"{tool} expects seed to be an integer from 0 to 2**32 - 1; found {seed!r}."
        )


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
        if not is_array and not isinstance(leaf, _NUMBERS):
            found = type(leaf).__name__ + ("" if dtype is None else f" of {dtype}")
            raise ArgumentTypeError(
                "expected arguments that are pytrees of arrays and numbers; found "
                f"at {_field_name(path)} a leaf of type {found}. Close over what is "
                "not an array. NNX and Equinox modules are taken as they are."
            )
        # Explicit, so that it is allowed under any transfer guard.
        placed.append(jax.device_put(leaf))
    return jax.tree.unflatten(tree, placed)


def split_loss(
    loss_fn: Callable[..., Any],
    argnums: int | Sequence[int],
    has_aux: bool,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Loss:
    """Split a loss at the parameters of its arguments.

    Raises:
        AuditInputError: if `argnums` names no argument, if there is nothing to
            differentiate by, or if the loss is not a real scalar.
        TypeError: if `argnums` is not made of integers.
    """
    split = split_arguments(argnums, args, kwargs)

    @wraps(loss_fn, updated=())
    def scalar(*flat: Any) -> Any:
        args, kwargs = modules.rebuild(jax.tree.unflatten(split.tree, flat))
        result = observed(loss_fn)(*args, **kwargs)
        return _scalar_of(result, has_aux)

    return Loss(split, scalar)


def split_arguments(
    argnums: int | Sequence[int], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Split:
    """Split arguments at the parameters among them; raises as `split_loss`."""
    numbers = _positions(argnums, len(args))
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
            fixed.append((position, _field_name(path)))
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
        f"{_field_name(path)} of {leaf.dtype}"
        for leaf, path in zip(leaves, paths, strict=True)
        if path[:2] in wanted
    ]
    return "; ".join(found[:3]) or "nothing in it"


def _scalar_of(result: Any, has_aux: bool) -> Any:
    if has_aux:
        if not isinstance(result, tuple) or len(result) != 2:
            raise AuditInputError(
                "expected the loss to return (loss, aux), because has_aux=True; "
                f"found {_describe(result)}. Return a pair, or give has_aux=False."
            )
        result = result[0]
    elif isinstance(result, tuple) and len(result) == 2:
        raise AuditInputError(
            f"expected a scalar loss; found {_describe(result)}. If it is "
            "(loss, aux), give has_aux=True."
        )
    shape, dtype = getattr(result, "shape", None), getattr(result, "dtype", None)
    if isinstance(result, float):
        shape, dtype = (), np.dtype(float)
    if shape != () or not jax.dtypes.issubdtype(dtype, np.floating):
        raise AuditInputError(
            f"expected a scalar loss of a floating dtype; found "
            f"{_describe(result)}. Reduce it, for example with .mean()."
        )
    return result


def _positions(argnums: Any, count: int) -> tuple[int, ...]:
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


def _field_name(path: tuple[str, ...]) -> str:
    """An argument or batch field: `argument 1: x/0`, or the keyword's name."""
    if path[0] == "0":
        rest = "/".join(path[2:])
        return f"argument {path[1]}" + (f", field {rest}" if rest else "")
    return "/".join(path[1:])


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _describe(value: Any) -> str:
    """Type, and shape and dtype of arrays, as in f32[2,3]."""
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_describe, value)) + ")"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype}[{','.join(map(str, value.shape))}]"
    return type(value).__name__
