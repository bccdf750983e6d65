"""Functions of one or two elements: in JAX, and with their derivatives in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxdebug.testing.programs.dual import Dual, elementwise
from jaxdebug.testing.programs.operation import Operation, Settings, Shapes, broadcast

Function = Callable[..., Any]


class Unary(NamedTuple):
    """A function of one element.

    Attributes:
        traced: in JAX.
        value: in NumPy.
        slope: its derivative, in NumPy.
        margin: distance of an element to a kink or a jump; None for smooth functions.
    """

    traced: Function
    value: Function
    slope: Function
    margin: Function | None = None


def _logistic(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _gelu(x: Any) -> Any:
    return x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2


def _gelu_slope(x: Any) -> Any:
    rate = np.sqrt(2 / np.pi)
    bent = np.tanh(rate * (x + 0.044715 * x**3))
    inner = rate * (1 + 3 * 0.044715 * x**2)
    return (1 + bent) / 2 + x * (1 - bent**2) * inner / 2


SMOOTH: dict[str, Unary] = {
    "sin": Unary(jnp.sin, np.sin, np.cos),
    "cos": Unary(jnp.cos, np.cos, lambda x: -np.sin(x)),
    "tanh": Unary(jnp.tanh, np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "exp": Unary(
        lambda x: jnp.exp(x / 2), lambda x: np.exp(x / 2), lambda x: np.exp(x / 2) / 2
    ),
    "expm1": Unary(
        lambda x: jnp.expm1(x / 4),
        lambda x: np.expm1(x / 4),
        lambda x: np.exp(x / 4) / 4,
    ),
    "log1p": Unary(
        lambda x: jnp.log1p(x * x),
        lambda x: np.log1p(x * x),
        lambda x: 2 * x / (1 + x * x),
    ),
    "logistic": Unary(
        jax.nn.sigmoid, _logistic, lambda x: _logistic(x) * _logistic(-x)
    ),
    "softplus": Unary(jax.nn.softplus, lambda x: np.log1p(np.exp(x)), _logistic),
    "silu": Unary(
        jax.nn.silu,
        lambda x: x * _logistic(x),
        lambda x: _logistic(x) * (1 + x * _logistic(-x)),
    ),
    "gelu": Unary(jax.nn.gelu, _gelu, _gelu_slope),
    "square": Unary(jnp.square, lambda x: x * x, lambda x: 2 * x),
    "cube": Unary(
        lambda x: lax.integer_pow(x, 3), lambda x: x * x * x, lambda x: 3 * x * x
    ),
    "sqrt": Unary(
        lambda x: jnp.sqrt(1 + x * x),
        lambda x: np.sqrt(1 + x * x),
        lambda x: x / np.sqrt(1 + x * x),
    ),
    "rsqrt": Unary(
        lambda x: lax.rsqrt(1 + x * x),
        lambda x: (1 + x * x) ** -0.5,
        lambda x: -x * (1 + x * x) ** -1.5,
    ),
    "power": Unary(
        lambda x: jnp.power(1 + x * x, 0.75),
        lambda x: (1 + x * x) ** 0.75,
        lambda x: 1.5 * x * (1 + x * x) ** -0.25,
    ),
    "reciprocal": Unary(
        lambda x: 1 / (2 + x * x),
        lambda x: 1 / (2 + x * x),
        lambda x: -2 * x / (2 + x * x) ** 2,
    ),
    "arctan": Unary(jnp.arctan, np.arctan, lambda x: 1 / (1 + x * x)),
    "negate": Unary(lambda x: -x, lambda x: -x, lambda x: -np.ones_like(x)),
    "halve": Unary(lambda x: x / 4, lambda x: x / 4, lambda x: np.ones_like(x) / 4),
}
"""Constants are exact in every dtype, or the program would be another one there."""


def _half(x: Any) -> Any:
    """The derivative of max(x, 0), as JAX shares it out at a tie."""
    return np.heaviside(x.real, 0.5)


def _to_half(x: Any) -> Any:
    return x.real - np.floor(x.real) - 0.5


def _where(x: Any) -> Any:
    return np.where(x.real > 0.5, x * x, np.sin(x))


def _clip(x: Any) -> Any:
    return np.where(x.real > 1, 1, np.where(x.real < -1, -1, x))


def _to_one(x: Any) -> Any:
    return np.abs(x.real) - 1


KINKED: dict[str, Unary] = {
    "relu": Unary(
        jax.nn.relu, lambda x: x * (x.real > 0), lambda x: x.real > 0, np.real
    ),
    "maximum0": Unary(
        lambda x: jnp.maximum(x, 0), lambda x: x * (x.real > 0), _half, np.real
    ),
    "abs": Unary(
        jnp.abs, lambda x: x * np.sign(x.real), lambda x: np.sign(x.real), np.real
    ),
    "leaky": Unary(
        lambda x: jax.nn.leaky_relu(x, 0.25),
        lambda x: np.where(x.real >= 0, x, x / 4),
        lambda x: np.where(x.real >= 0, 1, 0.25),
        np.real,
    ),
    "clip": Unary(
        lambda x: jnp.clip(x, -1, 1),
        _clip,
        lambda x: _half(x + 1) * _half(1 - x),
        _to_one,
    ),
    "hard-tanh": Unary(jax.nn.hard_tanh, _clip, lambda x: np.abs(x.real) <= 1, _to_one),
    "round": Unary(jnp.round, lambda x: np.round(x.real), np.zeros_like, _to_half),
    "sign": Unary(jnp.sign, lambda x: np.sign(x.real), np.zeros_like, np.real),
    "where": Unary(
        lambda x: jnp.where(x > 0.5, x * x, jnp.sin(x)),
        _where,
        lambda x: np.where(x.real > 0.5, 2 * x, np.cos(x)),
        lambda x: x.real - 0.5,
    ),
}


class Binary(NamedTuple):
    """A function of two elements: in JAX, in NumPy, and both its derivatives."""

    traced: Function
    value: Function
    slopes: Function
    margin: Function | None = None


def _share(x: Any, y: Any) -> tuple[Any, Any]:
    return _half(x - y), _half(y - x)


BINARY: dict[str, Binary] = {
    "add": Binary(jnp.add, np.add, lambda x, y: (1.0, 1.0)),
    "subtract": Binary(jnp.subtract, np.subtract, lambda x, y: (1.0, -1.0)),
    "multiply": Binary(jnp.multiply, np.multiply, lambda x, y: (y, x)),
    "divide": Binary(
        lambda x, y: x / (2 + y * y),
        lambda x, y: x / (2 + y * y),
        lambda x, y: (1 / (2 + y * y), -2 * x * y / (2 + y * y) ** 2),
    ),
    "hypot": Binary(
        lambda x, y: jnp.sqrt(1 + x * x + y * y),
        lambda x, y: np.sqrt(1 + x * x + y * y),
        lambda x, y: (x / np.sqrt(1 + x * x + y * y), y / np.sqrt(1 + x * x + y * y)),
    ),
    "logaddexp": Binary(
        jnp.logaddexp,
        lambda x, y: np.log(np.exp(x) + np.exp(y)),
        lambda x, y: (_logistic(x - y), _logistic(y - x)),
    ),
    "maximum": Binary(
        jnp.maximum,
        lambda x, y: np.where((x - y).real > 0, x, y),
        _share,
        lambda x, y: (x - y).real,
    ),
    "minimum": Binary(
        jnp.minimum,
        lambda x, y: np.where((x - y).real > 0, y, x),
        lambda x, y: _share(y, x),
        lambda x, y: (x - y).real,
    ),
}


def _fits_one(shapes: Shapes) -> list[Settings]:
    return [()]


def _fits_two(shapes: Shapes) -> list[Settings]:
    return [()] if broadcast(*shapes) is not None else []


def _unary(entry: Unary) -> Operation:
    def dual(body: Any, settings: Settings, x: Dual) -> Dual:
        margin = np.inf if entry.margin is None else entry.margin(x.value)
        return elementwise(
            np.asarray(entry.value(x.value)), [entry.slope(x.value)], [x], margin
        )

    return Operation(
        1, lambda body, settings, x: entry.traced(x), dual, _fits_one, "elementwise"
    )


def _binary(entry: Binary) -> Operation:
    def dual(body: Any, settings: Settings, x: Dual, y: Dual) -> Dual:
        values = x.value, y.value
        margin = np.inf if entry.margin is None else entry.margin(*values)
        return elementwise(
            np.asarray(entry.value(*values)), entry.slopes(*values), [x, y], margin
        )

    return Operation(
        2, lambda body, settings, *xs: entry.traced(*xs), dual, _fits_two, "elementwise"
    )


ELEMENTWISE: dict[str, Operation] = {
    **{name: _unary(entry) for name, entry in (SMOOTH | KINKED).items()},
    **{name: _binary(entry) for name, entry in BINARY.items()},
}
