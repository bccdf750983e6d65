"""Inputs and targets in a batch: where they stand, and a batch with others there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax

from jaxdebug.checks.outcome import CannotRun

Place = str | int | Callable[[Any], Any] | None
DEFAULT = {"inputs": 0, "targets": 1}
"""Of a batch that is a pair."""


def pick(batch: Any, field: str, place: Place) -> Any:
    """The inputs or targets of a batch.

    Args:
        batch: one, or several stacked.
        field: `"inputs"` or `"targets"`.
        place: a key, an index, a function of the batch; None for a pair's own.

    Raises:
        CannotRun: if it is not known where they stand, or nothing stands there.
    """
    if callable(place):
        return place(batch)
    key = _key(batch, field, place)
    try:
        return batch[key]
    except (KeyError, IndexError, TypeError) as error:
        known = f"keys {', '.join(map(repr, batch))}" if _is_mapping(batch) else ""
        raise CannotRun(
            f"expected {field}={key!r} in a batch; found "
            f"{known or type(batch).__name__}. Give `{field}`"
        ) from error


def put(batch: Any, field: str, place: Place, value: Any) -> Any:
    """The batch with other inputs or targets.

    Raises:
        CannotRun: if they are given by a function, which cannot be turned around.
    """
    if callable(place):
        raise CannotRun(f"give `{field}` as a key or an index, not as a function")
    key = _key(batch, field, place)
    if _is_mapping(batch):
        return type(batch)({**batch, key: value})
    values = list(batch)
    values[int(key)] = value
    if hasattr(batch, "_fields"):
        return type(batch)(*values)
    return type(batch)(values)


def count_rows(batch: Any) -> int:
    """How many examples a batch has: the first axis that most of its leaves have.

    Raises:
        CannotRun: if no leaf has an axis.
    """
    sizes = [leaf.shape[0] for leaf in jax.tree.leaves(batch) if leaf.ndim]
    if not sizes:
        raise CannotRun("give batches with a first axis over examples")
    return max(set(sizes), key=sizes.count)


def map_rows(batch: Any, change: Callable[[Any], Any]) -> Any:
    """The batch with its arrays changed that have a row for each example."""
    rows = count_rows(batch)
    return jax.tree.map(
        lambda leaf: change(leaf) if leaf.ndim and leaf.shape[0] == rows else leaf,
        batch,
    )


def _key(batch: Any, field: str, place: Any) -> Any:
    if place is not None:
        return place
    if isinstance(batch, tuple | list) and len(batch) == 2:
        return DEFAULT[field]
    raise CannotRun(f"give `{field}`: a batch is no pair (x, y)")


def _is_mapping(batch: Any) -> bool:
    return isinstance(batch, Mapping)
