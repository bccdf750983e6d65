"""The arrays of a batch: what each is called, and whether it is input or target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdebug.checks.batch_fields import Place
from jaxdebug.programs.parameters.leaves import path_names
from jaxdebug.programs.random_keys import is_key

INPUT, TARGET, OTHER = "input", "target", "other"


class Field(NamedTuple):
    """One array of every batch."""

    name: str
    """Its path in the batch; empty if the batch is the array itself."""
    role: str
    shape: tuple[int, ...]
    """Of one row."""
    dtype: np.dtype

    @property
    def width(self) -> int:
        """How many numbers a row has; a complex number counts as two."""
        return int(np.prod(self.shape)) * (2 if self.dtype.kind == "c" else 1)

    def of(self, split: str) -> str:
        """The field of a split, in the user's spelling: `train/image`."""
        return f"{split}/{self.name}" if self.name else split

    def column(self, index: int, split: str = "") -> str:
        """One number of every row, as NumPy indexes it: `train/image[:, 3, 5]`."""
        if self.dtype.kind == "c":
            index //= 2
        place = [":", *map(str, np.unravel_index(index, self.shape))]
        name = self.of(split) if split else self.name
        return f"{name}[{', '.join(place)}]"


class Batch(NamedTuple):
    """The fields of a batch, their arrays, and what is in it besides."""

    fields: tuple[Field, ...]
    arrays: tuple[Any, ...]
    left_out: Mapping[str, str]
    """Path of what is not looked at, and why."""


def fields_of(batch: Any, inputs: Place, targets: Place, split: str) -> Batch:
    """The arrays of a batch under the names and in the roles that the user gave.

    Args:
        batch: any pytree.
        inputs: where the inputs stand. If neither place is given, a pair is
            `(x, y)`, and of anything else every field is an input.
        targets: where the targets stand.
        split: what the messages call the data set.

    Raises:
        ValueError: if a place is not in the batch, or does not say where the inputs
            are, or if there is no array.
    """
    if inputs is None and targets is None and _is_pair(batch):
        inputs, targets = 0, 1
    if inputs is None and callable(targets):
        raise ValueError(
            "check_data: expected inputs= beside targets=, which is a function and "
            "does not say what else there is; found inputs=None."
        )
    fields, arrays, left_out = [], [], {}
    named: list[tuple[str, ...]] = []
    for role, place in ((INPUT, inputs), (TARGET, targets)):
        if place is None:
            continue
        part, start = _part(batch, place, role, split)
        named.append(start)
        _add(part, start, role, fields, arrays, left_out)
    if not any(map(callable, (inputs, targets))):
        role = INPUT if inputs is None else OTHER
        _add(batch, (), role, fields, arrays, left_out, without=tuple(named))
    if not fields:
        listed = "; ".join(f"{name or 'it'} is {why}" for name, why in left_out.items())
        raise ValueError(
            f"check_data: expected arrays of numbers in {split}, with one row for "
            f"each example; found {listed or 'an empty pytree'}."
        )
    return Batch(tuple(fields), tuple(arrays), left_out)


def _is_pair(batch: Any) -> bool:
    return isinstance(batch, tuple | list) and len(batch) == 2


def _part(batch: Any, place: Any, role: str, split: str) -> tuple[Any, tuple[str, ...]]:
    """What stands at a place, and the path it has."""
    if callable(place):
        return place(batch), (f"{role}s",)
    try:
        named = isinstance(place, str) and not isinstance(batch, Mapping)
        if named and hasattr(batch, place):
            return getattr(batch, place), (place,)
        part = batch[place]
    except (KeyError, IndexError, TypeError):
        paths = ["/".join(path) or "(one array)" for path in path_names(batch)]
        raise ValueError(
            f"check_data: expected {role}s={place!r} to be a key or an index of "
            f"every batch; found in {split} a {type(batch).__name__} with "
            f"{', '.join(paths[:8]) or 'nothing in it'}."
        ) from None
    if isinstance(place, int) and isinstance(batch, Sequence):
        place %= len(batch)
        place = getattr(batch, "_fields", range(len(batch)))[place]
    return part, (str(place),)


def _add(
    tree: Any,
    start: tuple[str, ...],
    role: str,
    fields: list[Field],
    arrays: list[Any],
    left_out: dict[str, str],
    without: tuple[tuple[str, ...], ...] = (),
) -> None:
    """Append the arrays of a part of a batch to the lists."""
    leaves = jax.tree.leaves(tree)
    for leaf, path in zip(leaves, path_names(tree), strict=True):
        if any(path[: len(named)] == named for named in without):
            continue
        name = "/".join((*start, *path))
        why = unfit(leaf)
        if why:
            left_out[name] = why
            continue
        array = leaf if isinstance(leaf, jax.Array) else np.asarray(leaf)
        fields.append(Field(name, role, tuple(array.shape[1:]), np.dtype(array.dtype)))
        arrays.append(array)


def unfit(leaf: Any) -> str:
    """Why a leaf is no array of numbers with rows; empty if it is one.

    Example:
        >>> unfit(np.ones((3, 2))), unfit(np.float32(3)), unfit("cat")
        ('', 'one number, without rows', 'a str')
    """
    if is_key(leaf):
        return "random keys"
    if isinstance(leaf, bool | int | float | complex):
        return "one number, without rows"
    if not hasattr(leaf, "dtype") and not hasattr(leaf, "__array__"):
        return f"a {type(leaf).__name__}"
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return "the shape of an array, without values"
    array = leaf if isinstance(leaf, jax.Array) else np.asarray(leaf)
    if array.dtype.kind not in "biufc" and not is_floating(array.dtype):
        return f"an array of {array.dtype}"
    if 0 in array.shape[1:]:
        return "rows without numbers"
    return "" if array.ndim else "one number, without rows"


def is_floating(dtype: Any) -> bool:
    """Whether a dtype is of floating numbers, those that only JAX knows too."""
    return bool(jax.dtypes.issubdtype(dtype, np.floating))
