"""Rows taken from arrays and added to them, by constant or by given indices."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxdebug.testing.programs.dual import Dual, clearance, elementwise
from jaxdebug.testing.programs.operation import Operation, Settings, Shapes


def _row_fits(shapes: Shapes) -> list[Settings]:
    """Rows that are there, once or twice, by constant indices."""
    if not shapes[0]:
        return []
    last = shapes[0][0] - 1
    return [(0, last), (last, last, 0)]


def _added_fits(shapes: Shapes) -> list[Settings]:
    x, y = shapes
    return [(0, x[0] - 1)] if x and x[1:] == y else []


def _scatter(body: Any, settings: Settings, x: Any, y: Any) -> Any:
    return x.at[jnp.array(settings)].add(y.astype(x.dtype))


def _scatter_dual(body: Any, settings: Settings, x: Dual, y: Dual) -> Dual:
    # Of a complex step the one may be complex and the other not.
    value = x.value.astype(np.result_type(x.value, y.value))
    tangent = x.tangent.astype(np.result_type(x.tangent, y.tangent))
    for row in settings:
        value[row] += y.value
        tangent[:, row] += y.tangent
    return Dual(value, tangent, clearance([x, y]))


def _taken_fits(shapes: Shapes) -> list[Settings]:
    return [()] if shapes[0] else []


def _taken_dual(body: Any, settings: Settings, x: Dual, at: Dual) -> Dual:
    rows = np.real(at.value).astype(int) % len(x.value)
    return Dual(x.value[rows], x.tangent[:, rows], clearance([x]))


def _sliced(body: Any, settings: Settings, x: Any, at: Any) -> Any:
    return lax.dynamic_index_in_dim(x, at.reshape(-1)[0] % len(x), 0, False)


def _sliced_dual(body: Any, settings: Settings, x: Dual, at: Dual) -> Dual:
    row = int(np.real(at.value).reshape(-1)[0]) % len(x.value)
    return Dual(x.value[row], x.tangent[:, row], clearance([x]))


def _masked_dual(body: Any, settings: Settings, x: Dual, at: Dual) -> Dual:
    kept = np.real(at.value).reshape(-1)[0] % 2
    return elementwise(
        np.where(kept, x.value, x.value**2), [np.where(kept, 1, 2 * x.value)], [x]
    )


INDEXED: dict[str, Operation] = {
    "rows": Operation(
        1,
        lambda body, rows, x: x[jnp.array(rows)],
        lambda body, rows, x: Dual(
            x.value[list(rows)], x.tangent[:, list(rows)], x.clear
        ),
        _row_fits,
        "array",
    ),
    "scatter-add": Operation(
        2,
        _scatter,
        _scatter_dual,
        _added_fits,
        "array",
    ),
    "take": Operation(
        2,
        lambda body, settings, x, at: jnp.take(x, at % len(x), axis=0),
        _taken_dual,
        _taken_fits,
        "indexed",
    ),
    "slice": Operation(2, _sliced, _sliced_dual, _taken_fits, "indexed"),
    "select": Operation(
        2,
        lambda body, settings, x, at: jnp.where(at.reshape(-1)[0] % 2, x, x * x),
        _masked_dual,
        lambda shapes: [()],
        "indexed",
    ),
}
"""The last operand of `indexed` ones is an array of integers."""
