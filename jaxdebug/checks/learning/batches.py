"""Some batches of a workload on the device, all of one shape."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.workload import WorkloadError


def placed(name: str, batches: Iterable[Any], most: int, room: int) -> list[Any]:
    """The first batches of one shape, on the device.

    Args:
        name: of the workload, for messages.
        batches: of it; those of another shape than the first are passed over, such as
            a last one that is smaller.
        most: how many to take.
        room: bytes that they may fill; the first is taken in any case.

    Raises:
        WorkloadError: if there is none, or if a leaf is no array of numbers.
    """
    kept: list[Any] = []
    for batch in batches:
        if not kept or _form(batch) == _form(kept[0]):
            kept.append(batch)
        size = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(kept[0]))
        if len(kept) == most or (len(kept) + 1) * size > room:
            break
    return [
        jax.tree_util.tree_map_with_path(partial(_place, name), batch) for batch in kept
    ]


def _form(batch: Any) -> Any:
    leaves, tree = jax.tree.flatten(batch)
    return tree, [
        (np.shape(leaf), getattr(leaf, "dtype", type(leaf))) for leaf in leaves
    ]


def _place(name: str, path: Any, leaf: Any) -> Any:
    kind = getattr(getattr(leaf, "dtype", None), "kind", "f")
    is_number = isinstance(leaf, np.ndarray | np.generic | jax.Array | int | float)
    if kind in "OSUMm" or not is_number:
        dtype = getattr(leaf, "dtype", None)
        what = f"an array of {dtype}" if is_number else f"a {type(leaf).__name__}"
        where = jax.tree_util.keystr(path, simple=True, separator="/")
        raise WorkloadError(
            f"workload {name!r}: expected batches of arrays of numbers; found {what}"
            f"{f' at {where}' if where else ''}. Leave out what the loss does not "
            "take, and make NumPy arrays of tensors."
        )
    return jnp.asarray(leaf)
