"""Instructions with a body of instructions, and those that cut derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxdebug.testing.programs.dual import Dual, clearance
from jaxdebug.testing.programs.operation import Operation, Settings, Shapes

TRIPS = 3


def _any(shapes: Shapes) -> list[Settings]:
    return [()]


def _pairs(shapes: Shapes) -> list[Settings]:
    """A carry, and rows of its shape."""
    x, rows = shapes
    return [()] if rows and rows[1:] == x else []


def _batched(shapes: Shapes) -> list[Settings]:
    return [()] if shapes[0] else []


def _called(wrap: Callable[[Any], Any]) -> Operation:
    """A body that is called once, in a wrapper that changes no value."""
    return Operation(
        2,
        lambda body, settings, *xs: wrap(body)(*xs),
        lambda body, settings, *xs: body(*xs),
        _any,
        "flow",
    )


def _kept(body: Any, x: Any) -> Any:
    """One with the dtype of its operand, as a carry must have."""
    return lambda *xs: body(*xs).astype(x.dtype)


def _scan(body: Any, settings: Settings, x: Any, y: Any) -> Any:
    step = _kept(body, x)
    return lax.scan(lambda c, _: (step(c, y), None), x, None, length=TRIPS)[0]


def _fori(body: Any, settings: Settings, x: Any, y: Any) -> Any:
    step = _kept(body, x)
    return lax.fori_loop(0, TRIPS, lambda _, c: step(c, y), x)


def _repeated(body: Any, settings: Settings, x: Dual, y: Dual) -> Dual:
    for _ in range(TRIPS):
        x = body(x, y)
    return x


def _scan_rows(body: Any, settings: Settings, x: Any, rows: Any) -> Any:
    step = _kept(body, x)

    def trip(carry: Any, row: Any) -> Any:
        after = step(carry, row)
        return after, after

    return lax.scan(trip, x, rows)[1]


def _row(x: Dual, at: int) -> Dual:
    return Dual(x.value[at], x.tangent[:, at], x.clear)


def _stacked(rows: list[Dual]) -> Dual:
    return Dual(
        np.stack([row.value for row in rows]),
        np.stack([row.tangent for row in rows], 1),
        clearance(rows),
    )


def _scan_rows_dual(body: Any, settings: Settings, x: Dual, rows: Dual) -> Dual:
    seen = []
    for at in range(len(rows.value)):
        x = body(x, _row(rows, at))
        seen.append(x)
    return _stacked(seen)


def _vmap(body: Any, settings: Settings, x: Any, y: Any) -> Any:
    return jax.vmap(body, in_axes=(0, None))(x, y)


def _map(body: Any, settings: Settings, x: Any, y: Any) -> Any:
    return lax.map(lambda row: body(row, y), x)


def _each_row(body: Any, settings: Settings, x: Dual, y: Dual) -> Dual:
    return _stacked([body(_row(x, at), y) for at in range(len(x.value))])


def _cond(body: Any, settings: Settings, x: Any, y: Any) -> Any:
    step = _kept(body, x)
    return lax.cond(jnp.sum(y) > 0, step, lambda x, _: x * 2, x, y)


def _cond_dual(body: Any, settings: Settings, x: Dual, y: Dual) -> Dual:
    total = np.real(y.value.sum())
    taken = body(x, y) if total > 0 else Dual(x.value * 2, x.tangent * 2, x.clear)
    return taken._replace(clear=clearance([taken, y], total))


def _switch(body: Any, settings: Settings, x: Any, y: Any) -> Any:
    step = _kept(body, x)
    branches = [lambda x, _: x, step, lambda x, _: -x]
    return lax.switch(settings[0], branches, x, y)


def _traced_switch(body: Any, settings: Settings, x: Any, y: Any) -> Any:
    """By an index that is not known when the program is traced."""
    index = settings[0] + jnp.isnan(jnp.sum(x)).astype(jnp.int32)
    return _switch(body, (index,), x, y)


def _switch_dual(body: Any, settings: Settings, x: Dual, y: Dual) -> Dual:
    if settings[0] == 1:
        return body(x, y)
    return x if settings[0] == 0 else Dual(-x.value, -x.tangent, x.clear)


FLOW: dict[str, Operation] = {
    "jit": _called(jax.jit),
    "remat": _called(jax.checkpoint),
    "scan": Operation(2, _scan, _repeated, _any, "flow"),
    "fori": Operation(2, _fori, _repeated, _any, "flow"),
    "scan-rows": Operation(2, _scan_rows, _scan_rows_dual, _pairs, "flow"),
    "vmap": Operation(2, _vmap, _each_row, _batched, "flow"),
    "map": Operation(2, _map, _each_row, _batched, "flow"),
    "cond": Operation(2, _cond, _cond_dual, _any, "flow"),
    "switch": Operation(
        2, _traced_switch, _switch_dual, lambda _: [(0,), (1,), (2,)], "flow"
    ),
}
"""The body takes both operands; what it returns has the shape of the first."""


def _through_dual(body: Any, settings: Settings, x: Dual) -> Dual:
    return Dual(
        np.round(np.real(x.value)) + (x.value - np.real(x.value)), x.tangent, x.clear
    )


BLOCKED: dict[str, Operation] = {
    "stop": Operation(
        1,
        lambda body, at, x: x + lax.stop_gradient(x),
        lambda body, at, x: Dual(x.value + np.real(x.value), x.tangent, x.clear),
        _any,
        "blocked",
    ),
    "straight-through": Operation(
        1,
        lambda body, at, x: x + lax.stop_gradient(jnp.round(x) - x),
        _through_dual,
        _any,
        "blocked",
    ),
}
"""Gradients that are meant to differ from the function's slope."""
