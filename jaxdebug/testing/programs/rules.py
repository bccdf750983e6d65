"""Functions with a derivative rule written by hand: right, or with one mistake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxdebug.testing.programs.operation import Shapes

Tangent = Callable[..., Any]
"""`(xp, xs, ts, wrong) -> t`: linear in the tangents; `wrong` is (kind, amount)."""

SMALL, LARGE = 0.0625, 1.0
"""By how much of itself a factor is wrong."""


class Rule(NamedTuple):
    """A function and how it changes, for NumPy and JAX (`xp`).

    Attributes:
        operands: how many.
        function: `(xp, *xs)`.
        tangent: its derivative along tangents, right or with a mistake.
        mistakes: the kinds that it can have, beside those that any can have.
        fits: whether operands of these shapes can be taken.
    """

    operands: int
    function: Callable[..., Any]
    tangent: Tangent
    mistakes: tuple[str, ...]
    fits: Callable[[Shapes], bool]


EVERYWHERE = ("sign", "factor", "offset-factor", "region", "second", "nan")
"""Mistakes that any rule can have.

`sign`: minus. `factor`: times 2; `offset-factor`: times 1.0625. `region`: times 2, but
only if the first operand is positive on average. `second`: right, but a constant for
what differentiates it again. `nan`: not a number, if an element is above 1.
"""


def _frozen(xp: Any, x: Any) -> Any:
    """Hold a factor constant: a step of JAX, the real part of an imaginary step."""
    return lax.stop_gradient(x) if xp is jnp else np.real(x)


def _real(xp: Any, x: Any) -> Any:
    return x if xp is jnp else np.real(x)


def spoilt(xp: Any, xs: Any, tangent: Any, wrong: str) -> Any:
    """The tangent with a mistake that any rule can have."""
    first = _real(xp, xs[0])
    if wrong == "sign":
        return -tangent
    if wrong == "factor":
        return (1 + LARGE) * tangent
    if wrong == "offset-factor":
        return (1 + SMALL) * tangent
    if wrong == "region":
        return tangent * xp.where(xp.mean(first) > 0, 2, 1).astype(first.dtype)
    if wrong == "nan":
        return tangent * xp.where(xp.max(first) > 1, xp.nan, 1).astype(first.dtype)
    return tangent


def _unary(function: Any, slope: Any, *mistakes: str, second: Any = None) -> Rule:
    """Of elements: `slope(xp, x)`; `second(xp, x)` is one with a term left out."""

    def tangent(xp: Any, xs: Any, ts: Any, wrong: str) -> Any:
        (x,), (t,) = xs, ts
        if wrong == "operand":
            return slope(xp, function(xp, x)) * t
        if wrong == "missing":
            return second(xp, x) * t
        if wrong == "point":  # a formula that is right but where x is 0 or 1
            special = (_real(xp, x) == 0) | (_real(xp, x) == 1)
            return xp.where(special, slope(xp, x) + 1, slope(xp, x)) * t
        rate = slope(xp, x)
        return (_frozen(xp, rate) if wrong == "second" else rate) * t

    return Rule(1, function, tangent, ("operand", "point", *mistakes), lambda _: True)


def _logistic(xp: Any, x: Any) -> Any:
    return 1 / (1 + xp.exp(-x))


def _product(xp: Any, xs: Any, ts: Any, wrong: str) -> Any:
    (x, y), (t, u) = xs, ts
    if wrong == "second":
        x, y = _frozen(xp, x), _frozen(xp, y)
    if wrong == "missing":
        return y * t
    if wrong == "swapped":
        return x * t + y * u
    return y * t + x * u


def _ratio(xp: Any, xs: Any, ts: Any, wrong: str) -> Any:
    (x, y), (t, u) = xs, ts
    if wrong == "second":
        x, y = _frozen(xp, x), _frozen(xp, y)
    below = 2 + y * y
    if wrong == "missing":
        return t / below
    if wrong == "operand":  # y twice, x never
        return t / below - 2 * y * y * u / below**2
    return t / below - 2 * x * y * u / below**2


def _matmul(xp: Any, xs: Any, ts: Any, wrong: str) -> Any:
    (x, y), (t, u) = xs, ts
    if wrong == "second":
        x, y = _frozen(xp, x), _frozen(xp, y)
    if wrong == "missing":
        return x @ u
    if wrong == "transposed":
        return t @ y.T + x @ u
    if wrong == "swapped":
        return t @ x + y @ u
    return t @ y + x @ u


def _bias(xp: Any, xs: Any, ts: Any, wrong: str) -> Any:
    (x, _), (t, u) = xs, ts
    if wrong == "mean":
        u = u / len(x)
    if wrong == "row":  # of the first row alone
        first = xp.arange(len(x))[:, None] == 0
        return t + xp.where(first, u, xp.zeros_like(u))
    if wrong == "missing":
        return t
    return t + xp.broadcast_to(u, x.shape)


def _running(xp: Any, xs: Any, ts: Any, wrong: str) -> Any:
    (t,) = ts
    if wrong == "transposed":
        return xp.flip(xp.cumsum(xp.flip(t, 0), 0), 0)
    if wrong == "missing":
        return xp.cumsum(t, 0) - t
    return xp.cumsum(t, 0)


def _softened(xp: Any, x: Any) -> Any:
    grown = xp.exp(x)
    return grown / xp.sum(grown, -1, keepdims=True)


def _softmax(xp: Any, xs: Any, ts: Any, wrong: str) -> Any:
    (x,), (t,) = xs, ts
    y = _softened(xp, x)
    if wrong == "second":
        y = _frozen(xp, y)
    inner = xp.sum(y * t, 0 if wrong == "axis" else -1, keepdims=True)
    if wrong == "missing":
        return y * t
    return y * (t - inner)


def _scaled(xp: Any, x: Any) -> Any:
    return x / xp.sqrt(1 + xp.sum(x * x))


def _normalised(xp: Any, xs: Any, ts: Any, wrong: str) -> Any:
    (x,), (t,) = xs, ts
    length = xp.sqrt(1 + xp.sum(x * x))
    y = x / length
    if wrong == "second":
        y, length = _frozen(xp, y), _frozen(xp, length)
    if wrong == "missing":
        return t / length
    return (t - y * xp.sum(y * t)) / length


def _same_two(shapes: Shapes) -> bool:
    return shapes[0] == shapes[1]


def _squares(shapes: Shapes) -> bool:
    return _same_two(shapes) and len(shapes[0]) == 2 and len(set(shapes[0])) == 1


RULES: dict[str, Rule] = {
    "sine": _unary(lambda xp, x: xp.sin(x), lambda xp, x: xp.cos(x)),
    "squash": _unary(lambda xp, x: xp.tanh(x), lambda xp, x: 1 - xp.tanh(x) ** 2),
    "swish": _unary(
        lambda xp, x: x * _logistic(xp, x),
        lambda xp, x: _logistic(xp, x) * (1 + x * _logistic(xp, -x)),
        "missing",
        second=lambda xp, x: _logistic(xp, x),
    ),
    "bump": _unary(
        lambda xp, x: x * xp.exp(-x * x / 2),
        lambda xp, x: (1 - x * x) * xp.exp(-x * x / 2),
        "missing",
        second=lambda xp, x: xp.exp(-x * x / 2),
    ),
    "cubic": _unary(
        lambda xp, x: x * x * x / 4 - x,
        lambda xp, x: 3 * x * x / 4 - 1,
        "missing",
        second=lambda xp, x: 3 * x * x / 4,
    ),
    "product": Rule(
        2, lambda xp, x, y: x * y, _product, ("missing", "swapped"), _same_two
    ),
    "ratio": Rule(
        2, lambda xp, x, y: x / (2 + y * y), _ratio, ("missing", "operand"), _same_two
    ),
    "affine": Rule(
        2,
        lambda xp, x, y: x @ y,
        _matmul,
        ("missing", "transposed", "swapped"),
        _squares,
    ),
    "bias": Rule(
        2,
        lambda xp, x, y: x + y,
        _bias,
        ("mean", "row", "missing"),
        lambda shapes: len(shapes[0]) == 2 and shapes[0][1:] == shapes[1],
    ),
    "running": Rule(
        1,
        lambda xp, x: xp.cumsum(x, 0),
        _running,
        ("transposed", "missing"),
        lambda shapes: len(shapes[0]) > 0,
    ),
    "softened": Rule(
        1, _softened, _softmax, ("missing", "axis"), lambda shapes: len(shapes[0]) == 2
    ),
    "scaled": Rule(1, _scaled, _normalised, ("missing",), lambda shapes: True),
}


def mistakes_of(name: str) -> tuple[str, ...]:
    """The kinds of mistakes that a rule can be given."""
    return EVERYWHERE + RULES[name].mistakes
