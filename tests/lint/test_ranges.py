"""Ranges contain every value that a program takes, and are as narrow as proofs need."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxdebug.programs.graph import build_graph
from jaxdebug.programs.program import trace
from jaxdebug.programs.ranges.analysis import ranges_of
from jaxdebug.programs.ranges.range import Hit, Range

POINTS = np.array(
    [-1e30, -200, -3.5, -1, -1e-30, 0, 1e-30, 0.3, 1, 2, 90, 1e30], np.float32
)
ROWS = np.stack([POINTS, POINTS[::-1], np.zeros_like(POINTS)])


def range_of(function: Callable[..., Any], *args: Any) -> Range:
    """The range of a function's first result."""
    program = trace(function, *args)
    graph = build_graph(program.jaxpr)
    (output, *_) = graph.outputs
    assert output is not None
    return ranges_of(graph, program.jaxpr.consts)[output]


ELEMENTWISE: dict[str, Callable[[Any], Any]] = {
    "relu": jax.nn.relu,
    "gelu": jax.nn.gelu,
    "softplus": jax.nn.softplus,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "elu": jax.nn.elu,
    "square": jnp.square,
    "cube": lambda x: x**3,
    "reciprocal": lambda x: 1 / (1 + x * x),
    "negative power": lambda x: (1 + jnp.abs(x)) ** -2,
    "power": lambda x: jnp.abs(x) ** 0.3,
    "clip": lambda x: jnp.clip(x, -0.5, 2),
    "remainder": lambda x: jnp.abs(x) % 3,
    "floor": lambda x: jnp.floor(jnp.clip(x, -2.5, 2.5)),
    "integer": lambda x: jnp.clip(x, -2.5, 2.5).astype(int) * 3 - 1,
    "expm1": lambda x: jnp.expm1(jnp.minimum(x, 0)),
    "log1p": lambda x: jnp.log1p(jnp.exp(jnp.clip(x, -5, 5))),
    "where": lambda x: jnp.where(x > 0.5, 1 / jnp.where(x > 0.5, x, 1), -2),
    "not": lambda x: jnp.where(~(x >= 1), jnp.minimum(x, 3), 0.0),
    "softmax": lambda x: jax.nn.softmax(x),
    "log_softmax": jax.nn.log_softmax,
    "logsumexp": lambda x: jax.nn.logsumexp(x / 1e10, -1) * 0 + 1,
    "mean": lambda x: jnp.mean(jnp.clip(x, 0, 1), -1),
    "variance": lambda x: jnp.var(jnp.clip(x, -1, 1), -1),
    "cumsum": lambda x: jnp.cumsum(jnp.clip(x, -1, 2), -1),
    "cumprod": lambda x: jnp.cumprod(jax.nn.sigmoid(x), -1),
    "sort": lambda x: jnp.sort(jnp.tanh(x)),
    "pad": lambda x: jnp.pad(jnp.clip(x, 1, 2), 1),
    "gather": lambda x: jnp.clip(x, 1, 2)[..., jnp.array([0, 2])],
    "one_hot": lambda x: jax.nn.one_hot(jnp.argmax(x, -1), 12),
    "product": lambda x: jnp.tanh(x) @ jnp.tanh(x).T,
    "norm": lambda x: jnp.linalg.norm(jnp.tanh(x), axis=-1),
    "scan": lambda x: lax.scan(lambda c, r: (c * 0.5 + jnp.tanh(r).sum(), c), 0.0, x)[
        1
    ],
    "while": lambda x: lax.fori_loop(
        0, 3, lambda i, c: jnp.maximum(c * 0.5, 0.1), jnp.tanh(x)
    ),
    "cond": lambda x: lax.cond(x.sum() > 0, jnp.tanh, lambda x: x * 0 + 3, x),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_range_contains_every_value(name: str) -> None:
    function = ELEMENTWISE[name]
    known = range_of(function, ROWS)
    values = np.asarray(function(jnp.asarray(ROWS)), float)
    values = values[~np.isnan(values)]
    size = 1e-5 * np.abs(values).max(initial=0)
    assert values.min() >= known.low - size
    assert values.max() <= known.high + size


NARROW: dict[str, tuple[Callable[[Any], Any], float, float]] = {
    "relu": (jax.nn.relu, 0, inf),
    "softmax": (jax.nn.softmax, 0, 1),
    "sum of a softmax's exponentials": (
        lambda x: jnp.exp(x - x.max(-1, keepdims=True)).sum(-1),
        1,
        12,
    ),
    "logsumexp's log": (
        lambda x: jax.nn.logsumexp(x, -1) - lax.stop_gradient(x.max(-1)),
        -inf,
        inf,
    ),
    "variance and eps": (lambda x: jnp.var(x, -1) + 1, 1, inf),
    "eps below float16": (
        lambda x: jnp.square(x.astype(jnp.float16)) + jnp.float16(1e-9),
        0,
        inf,
    ),
    "positions": (lambda x: jnp.arange(12) - 3, -3, 8),
    "negative index": (lambda x: jnp.where(jnp.arange(3) < 0, 99, jnp.arange(3)), 0, 2),
    "either": (lambda x: jnp.where((x <= 0) | (x > 2), 1.0, x), 1e-45, 2),
}


@pytest.mark.parametrize("name", NARROW)
def test_a_range_is_as_narrow_as_it_can_be_told(name: str) -> None:
    function, low, high = NARROW[name]
    known = range_of(function, ROWS)
    assert (known.low, known.high) == pytest.approx((low, high))


HITS: dict[str, tuple[Callable[[Any], Any], float, Hit | None]] = {
    "softmax": (jax.nn.softmax, 0, Hit.SOFTMAX),
    "one less a sigmoid": (lambda x: 1 - jax.nn.sigmoid(x), 0, Hit.SATURATED),
    "a sigmoid of little": (lambda x: 1 - jax.nn.sigmoid(jnp.clip(x, -4, 4)), 0, None),
    "relu": (jax.nn.relu, 0, Hit.CUT),
    "softplus": (jax.nn.softplus, 0, None),
    "a plain exponential": (jnp.exp, 0, None),
    "row of zeros": (lambda x: jnp.sum(x * x, -1), 0, Hit.SQUARES),
    "row that is left out": (
        lambda x: jnp.sum(
            jnp.where(jnp.linalg.norm(x, axis=-1, keepdims=True) > 0, x, 1.0) ** 2, -1
        ),
        0,
        None,
    ),
    "count of a mask": (lambda x: jnp.sum(x > 0, -1), 0, Hit.POSSIBLE),
    "uniform numbers": (lambda x: jax.random.uniform(jax.random.key(0), (3,)), 0, None),
}


@pytest.mark.parametrize("name", HITS)
def test_it_is_known_whether_a_bound_is_reached(name: str) -> None:
    function, point, hit = HITS[name]
    assert range_of(function, ROWS).hit(point) is hit
