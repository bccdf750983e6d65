"""Operations on whole arrays: linear in each operand, reductions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.testing.programs.dual import Dual, clearance, multilinear
from jaxdebug.testing.programs.operation import Operation, Settings, Shapes, broadcast

Fits = Callable[[Shapes], list[Settings]]


def _axes(shapes: Shapes) -> list[Settings]:
    return [(axis,) for axis in range(len(shapes[0]))]


def _matrix(shapes: Shapes) -> list[Settings]:
    return [()] if len(shapes[0]) == 2 else []


def _square(shapes: Shapes) -> list[Settings]:
    return [()] if len(shapes[0]) == 2 and len(set(shapes[0])) == 1 else []


def _rows(shapes: Shapes) -> list[Settings]:
    return [()] if shapes[0] else []


def _long(shapes: Shapes) -> list[Settings]:
    return [()] if shapes[0] and shapes[0][0] > 1 else []


def _alike(shapes: Shapes) -> list[Settings]:
    alike = len({shape[1:] for shape in shapes}) == 1 and all(shapes)
    return [()] if alike else []


def _matmul(shapes: Shapes) -> list[Settings]:
    x, y = shapes
    fits = len(x) in (1, 2) and len(y) in (1, 2) and x[-1] == y[0]
    return [()] if fits else []


def _vectors(shapes: Shapes) -> list[Settings]:
    return [()] if all(len(shape) == 1 for shape in shapes) else []


def _row_added(shapes: Shapes) -> list[Settings]:
    x, y = shapes
    return [()] if broadcast(x, (3, *y)) and len(y) < 2 else []


def _linear(operands: int, function: Any, fits: Fits) -> Operation:
    """One that is linear in each operand, told once for NumPy and JAX (`xp`)."""

    def traced(body: Any, settings: Settings, *xs: Any) -> Any:
        return function(jnp, *xs, *settings)

    def dual(body: Any, settings: Settings, *xs: Dual) -> Dual:
        return multilinear(lambda *values: function(np, *values, *settings), *xs)

    return Operation(operands, traced, dual, fits, "array")


LINEAR: dict[str, Operation] = {
    "sum": _linear(1, lambda xp, x, axis: xp.sum(x, axis), _axes),
    "mean": _linear(1, lambda xp, x, axis: xp.mean(x, axis), _axes),
    "cumsum": _linear(1, lambda xp, x, axis: xp.cumsum(x, axis), _axes),
    "reverse": _linear(1, lambda xp, x, axis: xp.flip(x, axis), _axes),
    "roll": _linear(1, lambda xp, x, axis: xp.roll(x, 1, axis), _axes),
    "transpose": _linear(1, lambda xp, x: x.T, _matrix),
    "tril": _linear(1, lambda xp, x: xp.tril(x), _matrix),
    "trace": _linear(1, lambda xp, x: xp.trace(x), _square),
    "flatten": _linear(1, lambda xp, x: x.reshape(-1), _matrix),
    "first": _linear(1, lambda xp, x: x[0], _rows),
    "tail": _linear(1, lambda xp, x: x[1:], _long),
    "pad": _linear(1, lambda xp, x: xp.pad(x, [(1, 0)] * x.ndim), _rows),
    "repeat": _linear(1, lambda xp, x: xp.broadcast_to(x, (3, *x.shape)), _vectors),
    "stack": _linear(1, lambda xp, x: xp.stack([x, x + x]), _vectors),
    "add-row": _linear(2, lambda xp, x, y: x * xp.ones_like(x) * y, _row_added),
    "matmul": _linear(2, lambda xp, x, y: x @ y, _matmul),
    "outer": _linear(2, lambda xp, x, y: xp.outer(x, y), _vectors),
    "convolve": _linear(2, lambda xp, x, y: xp.convolve(x, y), _vectors),
}


def _concatenated(body: Any, settings: Settings, *xs: Any) -> Any:
    return jnp.concatenate(xs)


def _concatenated_dual(body: Any, settings: Settings, x: Dual, y: Dual) -> Dual:
    value = np.concatenate([x.value, y.value])
    return Dual(value, np.concatenate([x.tangent, y.tangent], 1), clearance([x, y]))


def _softmax(x: Any, axis: int) -> Any:
    grown = np.exp(x)
    return grown / grown.sum(axis, keepdims=True)


def _reduction(value: Any, slope: Any) -> Any:
    """Of one axis: its slope has the shape of the operand."""

    def dual(body: Any, settings: Settings, x: Dual) -> Dual:
        (axis,) = settings
        tangent = (slope(x.value, axis) * x.tangent).sum(axis % x.value.ndim + 1)
        return Dual(value(x.value, axis), tangent, clearance([x], _ties(x.value, axis)))

    return dual


def _ties(x: np.ndarray, axis: int) -> np.ndarray:
    """Distances of neighbours in order, along an axis."""
    return np.diff(np.sort(np.real(x), axis), axis=axis)


def _smooth_reduction(value: Any, slope: Any) -> Any:
    inner = _reduction(value, slope)

    def dual(body: Any, settings: Settings, x: Dual) -> Dual:
        return inner(body, settings, x)._replace(clear=x.clear)

    return dual


def _largest(x: np.ndarray, axis: int) -> np.ndarray:
    """Shared out among the largest, as JAX does."""
    at = np.real(x) == np.real(x).max(axis, keepdims=True)
    return at / at.sum(axis, keepdims=True)


def _softmax_dual(body: Any, settings: Settings, x: Dual) -> Dual:
    (axis,) = settings
    value = _softmax(x.value, axis)
    inner = (value * x.tangent).sum(axis + 1, keepdims=True)
    return Dual(value, value * (x.tangent - inner), x.clear)


def _sort_dual(body: Any, settings: Settings, x: Dual) -> Dual:
    (axis,) = settings
    order = np.argsort(np.real(x.value), axis, kind="stable")
    rows = [np.take_along_axis(row, order, axis) for row in x.tangent]
    value = np.take_along_axis(x.value, order, axis)
    return Dual(value, np.stack(rows), clearance([x], _ties(x.value, axis)))


def _inverse_dual(body: Any, settings: Settings, x: Dual) -> Dual:
    value = np.linalg.inv(x.value + 8 * np.eye(len(x.value)))
    return Dual(value, -value @ x.tangent @ value, x.clear)


def _inverse(body: Any, settings: Settings, x: Any) -> Any:
    wide = jnp.promote_types(x.dtype, jnp.float32)  # LAPACK has no narrower dtype
    return jnp.linalg.inv(x.astype(wide) + 8 * jnp.eye(len(x), dtype=wide))


def _norm_dual(body: Any, settings: Settings, x: Dual) -> Dual:
    length = np.sqrt(1 + (x.value**2).sum())
    inner = (x.value * x.tangent).reshape(len(x.tangent), -1).sum(1)
    return Dual(np.asarray(length), inner / length, x.clear)


def _product_slope(x: np.ndarray, axis: int) -> np.ndarray:
    """The product of all the others."""
    rows = [np.delete(x, at, axis).prod(axis) for at in range(x.shape[axis])]
    return np.stack(rows, axis)


REDUCTIONS: dict[str, Operation] = {
    "concatenate": Operation(2, _concatenated, _concatenated_dual, _alike, "array"),
    "softmax": Operation(
        1, lambda body, at, x: jax.nn.softmax(x, at[0]), _softmax_dual, _axes, "array"
    ),
    "logsumexp": Operation(
        1,
        lambda body, at, x: jax.nn.logsumexp(x, at[0]),
        _smooth_reduction(lambda x, axis: np.log(np.exp(x).sum(axis)), _softmax),
        _axes,
        "array",
    ),
    "max": Operation(
        1,
        lambda body, at, x: jnp.max(x, at[0]),
        _reduction(lambda x, axis: (x * _largest(x, axis)).sum(axis), _largest),
        _axes,
        "array",
    ),
    "prod": Operation(
        1,
        lambda body, at, x: jnp.prod(x, at[0]),
        _smooth_reduction(lambda x, axis: x.prod(axis), _product_slope),
        _axes,
        "array",
    ),
    "sort": Operation(
        1, lambda body, at, x: jnp.sort(x, at[0]), _sort_dual, _axes, "array"
    ),
    "inverse": Operation(1, _inverse, _inverse_dual, _square, "array"),
    "norm": Operation(
        1,
        lambda body, at, x: jnp.sqrt(1 + jnp.sum(x * x)),
        _norm_dual,
        lambda shapes: [()],
        "array",
    ),
}


ARRAYS: dict[str, Operation] = LINEAR | REDUCTIONS
