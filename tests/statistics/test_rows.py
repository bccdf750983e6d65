"""Lookups of rows of a parameter are found, and counted row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from tests.slow import quick_cases

TABLE = jax.random.normal(jax.random.key(0), (7, 3))
INDICES = np.array([[0, 1, 1], [5, -1, 2]], np.int32)

READ: dict[str, Callable[[Any, Any], Any]] = {
    "brackets": lambda table, rows: table[rows],
    "take": lambda table, rows: jnp.take(table, rows, axis=0),
    "in half precision": lambda table, rows: table.astype(jnp.bfloat16)[rows],
    "vmap": lambda table, rows: jax.vmap(lambda row: table[row])(rows),
    "jit": lambda table, rows: jax.jit(lambda t, r: t[r])(table, rows),
    "remat": lambda table, rows: jax.checkpoint(lambda t, r: t[r])(table, rows),
    "row by row": lambda table, rows: jax.vmap(jax.vmap(lambda row: table[row]))(rows),
    "slice by slice": lambda table, rows: jax.vmap(
        lambda row: jax.lax.dynamic_slice(table, (row, 0), (1, 3))
    )(rows.reshape(-1)),
    "clip": lambda table, rows: table.at[rows].get(mode="clip"),
}
OTHERS: dict[str, Callable[[Any, Any], Any]] = {
    "columns": lambda table, rows: table[:, rows],
    "parts of rows": lambda table, rows: table[rows, :2],
    "elements": lambda table, rows: table[rows, 0],
    "another array": lambda table, rows: jnp.tanh(table)[rows],
    "weighted": lambda table, rows: (0.9 * jax.nn.one_hot(rows, 7) + 0.1 / 7) @ table,
    "after a comparison": lambda table, rows: (rows[..., None] > jnp.arange(7)) @ table,
    "shifted": lambda table, rows: (rows[..., None] == jnp.arange(7) + 1.0) @ table,
    "the data": lambda table, rows: table.sum() * jnp.eye(7)[rows],
}


def found(read: Callable[[Any, Any], Any], indices: Any) -> list[tuple[Any, Any]]:
    def loss(params: Any, indices: Any) -> jax.Array:
        return jnp.sum(read(params["table"], indices).astype(jnp.float32) ** 2)

    probed = jax.jit(jd.probe(jax.value_and_grad(loss)))
    _, stats = probed({"table": TABLE}, indices)
    return [(site, n) for site, n in stats if site.kind == "lookup"]


@pytest.mark.parametrize("name", quick_cases(READ, ("brackets", "remat")))
def test_lookups_are_counted_by_row(name: str) -> None:
    ((site, numbers),) = found(READ[name], INDICES)
    assert (site.name, site.shape) == ("table", (7, 3))
    assert numbers["looked_up"].tolist() == [1, 2, 1, 0, 0, 1, 1]
    assert (int(numbers["rows"]), int(numbers["outside"])) == (7, 0)


ONE_HOT: dict[str, Callable[[Any, Any], Any]] = {
    "one_hot": lambda table, rows: jax.nn.one_hot(rows, 7) @ table,
    "einsum": lambda table, rows: jnp.einsum(
        "...v,vd->...d", jax.nn.one_hot(rows, 7), table
    ),
    "written": lambda table, rows: (
        (rows[..., None] == jnp.arange(7)).astype(jnp.bfloat16)
        @ table.astype(jnp.bfloat16)
    ),
}


@pytest.mark.parametrize("name", quick_cases(ONE_HOT, ("one_hot",)))
def test_products_with_one_hot_rows_are_lookups(name: str) -> None:
    """An index outside, as of padding, reads zeros and is no mistake."""
    ((site, numbers),) = found(ONE_HOT[name], INDICES)
    assert (site.name, site.shape) == ("table", (7, 3))
    assert numbers["looked_up"].tolist() == [1, 2, 1, 0, 0, 1, 0]
    assert (int(numbers["rows"]), int(numbers["outside"])) == (7, 0)


@pytest.mark.parametrize("name", quick_cases(OTHERS, ("parts of rows",)))
def test_what_is_no_lookup_of_rows_is_none(name: str) -> None:
    assert found(OTHERS[name], INDICES % 2) == []


@pytest.mark.parametrize("dtype", [np.int32, np.uint8])
def test_indices_outside_are_counted(dtype: Any) -> None:
    indices = np.array([6, 7, 200], dtype)
    ((_, numbers),) = found(READ["clip"], indices)
    assert int(numbers["outside"]) == 2
    assert numbers["looked_up"].tolist() == [0, 0, 0, 0, 0, 0, 1]
