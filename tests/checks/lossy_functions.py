"""Functions that lose their digits, at the line that ends in `# here`, and twins.

A twin computes the same without the loss.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

RANDOM = np.random.default_rng(0)
W = RANDOM.normal(size=(4, 4))
X = RANDOM.normal(size=(16, 4))

Function = Callable[[Any, Any], jax.Array]


class Loss(NamedTuple):
    """A function, its twin, and what is found of the first."""

    function: Function
    twin: Function
    dtype: Any
    code: str
    primitive: str

    @property
    def line(self) -> int:
        """Of the operation that loses the digits."""
        lines, first = inspect.getsourcelines(self.function)
        return first + next(i for i, text in enumerate(lines) if "# here" in text)


def plain_softmax(w: Any, x: Any) -> jax.Array:
    scores = 8 * (x @ w)
    weights = jnp.exp(scores)  # here
    weights = weights / weights.sum(-1, keepdims=True)
    return jnp.mean(weights[:, 0].astype(jnp.float32))


def stable_softmax(w: Any, x: Any) -> jax.Array:
    weights = jax.nn.softmax((8 * (x @ w)).astype(jnp.float32))
    return jnp.mean(weights[:, 0])


def difference_of_means(w: Any, x: Any) -> jax.Array:
    h = x @ w + 4000
    mean, square = jnp.mean(h, 0), jnp.mean(h**2, 0)
    spread = square - mean**2  # here
    return jnp.sum(spread)


def mean_of_differences(w: Any, x: Any) -> jax.Array:
    return jnp.sum(jnp.var(x @ w + 4000, 0))


def running_sum(w: Any, x: Any) -> jax.Array:
    def body(total: Any, term: Any) -> tuple[Any, None]:
        return total + term, None  # here

    terms = jnp.tile(jnp.abs(x @ w).reshape(-1), 32)
    total, _ = lax.scan(body, jnp.zeros((), terms.dtype), terms)
    return total.astype(jnp.float32)


def wide_running_sum(w: Any, x: Any) -> jax.Array:
    def body(total: Any, term: Any) -> tuple[Any, None]:
        return total + term.astype(jnp.float32), None

    terms = jnp.tile(jnp.abs(x @ w).reshape(-1), 32)
    return lax.scan(body, jnp.zeros((), jnp.float32), terms)[0]


def log_of_one_plus(w: Any, x: Any) -> jax.Array:
    small = jnp.exp(jnp.tanh(x @ w) - 15)
    return jnp.mean(jnp.log(1 + small))  # here


def log1p(w: Any, x: Any) -> jax.Array:
    return jnp.mean(jnp.log1p(jnp.exp(jnp.tanh(x @ w) - 15)))


def exp_minus_one(w: Any, x: Any) -> jax.Array:
    grown = jnp.exp(1e-7 * (x @ w) ** 2 + 2e-7)
    return jnp.mean(grown - 1)  # here


def expm1(w: Any, x: Any) -> jax.Array:
    return jnp.mean(jnp.expm1(1e-7 * (x @ w) ** 2 + 2e-7))


def tiny_loss(w: Any, x: Any) -> jax.Array:
    h = jnp.tanh(x @ w)
    return 1e-8 * jnp.sum(h.astype(jnp.float32) ** 2)  # here


def scaled_loss(w: Any, x: Any) -> jax.Array:
    return jnp.sum(jnp.tanh(x @ w).astype(jnp.float32) ** 2)


def narrow_positions(w: Any, x: Any) -> jax.Array:
    at = jnp.arange(3000, 3016).astype(jnp.bfloat16).astype(jnp.float32)
    steps = at[1:] - at[:-1]  # here
    return jnp.sum((x[1:] @ w) ** 2 * steps[:, None])


def wide_positions(w: Any, x: Any) -> jax.Array:
    at = jnp.arange(3000, 3016).astype(jnp.float32)
    return jnp.sum((x[1:] @ w) ** 2 * (at[1:] - at[:-1])[:, None])


F16, BF16, F32 = jnp.float16, jnp.bfloat16, jnp.float32

LOSSES = {
    "overflow": Loss(plain_softmax, stable_softmax, F16, "value-overflow", "exp"),
    "cancellation": Loss(
        difference_of_means,
        mean_of_differences,
        F32,
        "catastrophic-cancellation",
        "sub",
    ),
    "accumulation": Loss(
        running_sum, wide_running_sum, BF16, "lossy-accumulation", "add"
    ),
    "log of 1 + x": Loss(
        log_of_one_plus, log1p, F32, "ill-conditioned-operation", "log"
    ),
    "exp - 1": Loss(exp_minus_one, expm1, F32, "catastrophic-cancellation", "sub"),
    "underflow": Loss(
        tiny_loss, scaled_loss, F16, "value-underflow", "convert_element_type"
    ),
    "cast": Loss(narrow_positions, wide_positions, F32, "lossy-cast", "sub"),
}
