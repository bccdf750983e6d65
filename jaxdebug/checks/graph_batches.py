"""Whether the rows of a batch are the nodes of one graph, and no examples."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.batch_fields import count_rows
from jaxdebug.programs.parameters.leaves import path_names


def tied_rows(batch: Any) -> str | None:
    """Say why the rows of a batch are no examples: a leaf ties them to each other.

    It is a matrix with a row and a column for each, of which some are zero, the same
    above as below the diagonal; or it holds more or fewer whole numbers than there are
    rows, that may be numbers of rows and reach the last quarter of them.

    Args:
        batch: any pytree of arrays with one row or more.
    """
    rows = count_rows(batch)
    for path, leaf in zip(path_names(batch), jax.tree.leaves(batch), strict=True):
        if _is_adjacency(leaf, rows) or _are_row_numbers(leaf, rows):
            edges = "/".join(path) or "the batch"
            return (
                f"{edges} ties the rows of a batch to each other, as edges of one "
                "graph do: they are no examples. Give each leaf a first axis of one to "
                "have graphs judged"
            )
    return None


def _is_adjacency(leaf: Any, rows: int) -> bool:
    if leaf.shape[:2] != (rows, rows) or rows < 2:
        return False
    tied = (np.asarray(leaf) != 0).reshape(rows, rows, -1).any(2)
    others = ~np.eye(rows, dtype=bool)
    return bool((tied == tied.T).all() and 0 < tied[others].mean() < 1)


def _are_row_numbers(leaf: Any, rows: int) -> bool:
    whole = jnp.issubdtype(leaf.dtype, jnp.integer)
    if not (whole and leaf.ndim and leaf.size) or leaf.shape[0] == rows:
        return False
    numbers = np.asarray(leaf)
    return bool(numbers.min() >= 0 and 0.75 * rows <= numbers.max() + 1 <= rows)
