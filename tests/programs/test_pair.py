"""A program in both precisions at once: each side is what it is alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxdebug.programs.pair import both_precisions, native_of, paired_aval, wide_of
from jaxdebug.programs.program import trace, transform
from jaxdebug.programs.shadow import shadow, widen_on_host
from tests.slow import quick_cases

X = np.random.default_rng(3).normal(size=(4, 6)).astype(np.float32)


def loop(x: Any) -> Any:
    def body(state: Any) -> Any:
        count, h = state
        return count + 1, jnp.tanh(1.5 * h)

    return lax.while_loop(lambda s: (s[0] < 5) & (s[1][0, 0] < 9), body, (0, x))


def branches(x: Any) -> Any:
    return lax.cond(x[0, 0] > 0, jnp.sin, lambda x: x * x.astype(jnp.bfloat16), x)


def rows(x: Any) -> Any:
    return lax.scan(lambda c, r: (0.5 * c + r.sum(), c * 1.0), 0.0, x)


def ordered(x: Any) -> Any:
    return jnp.sort(x, -1), jnp.argsort(x, 0), lax.top_k(x, 2), jnp.argmax(x, -1)


def solved(x: Any) -> Any:
    return jnp.linalg.solve(x[:4, :4] + 3 * jnp.eye(4), x[:, 4])


def pooled(x: Any) -> Any:
    def most(x: Any) -> Any:
        window = lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID")
        return jnp.sum(window**2)

    return jax.grad(most)(x)


def whole(x: Any) -> Any:
    return jnp.round(3 * x), jnp.floor(x), x % 0.7, jnp.sign(x), (4 * x).astype(int)


def sampled(x: Any) -> Any:
    return x * jax.random.bernoulli(jax.random.key(0), 0.5, x.shape), jax.random.normal(
        jax.random.key(1), x.shape, jnp.bfloat16
    )


PROGRAMS: list[Callable[[Any], Any]] = [
    loop,
    branches,
    rows,
    ordered,
    solved,
    pooled,
    whole,
    sampled,
]


def both(function: Callable[[Any], Any], x: Any) -> tuple[list[Any], list[Any]]:
    program = trace(function, x)
    with jax.enable_x64(True):
        avals = [paired_aval(aval) for aval in program.jaxpr.in_avals]
        paired = transform(program, both_precisions({}, program.x64).tool, avals=avals)
        run = jax.jit(lambda a, b: paired([a, b])[0])
        results = run(x, widen_on_host(x))
    return [native_of(each) for each in results], [wide_of(each) for each in results]


@pytest.mark.parametrize("function", quick_cases(PROGRAMS, [loop, rows, ordered]))
def test_each_side_is_what_it_is_alone(function: Callable[[Any], Any]) -> None:
    native, wide = both(function, X)
    alone = jax.tree.leaves(jax.jit(function)(X))
    for found, expected in zip(native, alone, strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(
            np.asarray(found, np.float64), np.asarray(expected, np.float64), rtol=1e-5
        )
    for found, expected in zip(wide, jax.tree.leaves(shadow(function)(X)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_the_wide_side_takes_the_decisions_of_the_native_one() -> None:
    """1 and 1 + 1e-4 are one number in bfloat16; in float64 they are not."""
    x = np.array([[1.0, 1.0001, 0.5], [2.0, 2.0, 1.0]], np.float32)

    def decided(x: Any) -> Any:
        low = x.astype(jnp.bfloat16)
        same = low[:, :1] == low
        return (
            jnp.where(same, x, 0.0),
            jnp.take_along_axis(x, jnp.argsort(-low, -1), -1),
            jnp.round(low + 0.4985),
        )

    _, (kept, order, rounded) = both(decided, x)
    np.testing.assert_allclose(kept, [[1, 1.0001, 0], [2, 2, 0]], rtol=1e-6)
    np.testing.assert_allclose(order[0], [1, 1.0001, 0.5], rtol=1e-6)
    own = shadow(decided)(x)
    assert own[0][0, 1] == 0
    assert own[1][0, 0] > 1
    assert np.asarray(rounded)[0, 2] == 1.0
