"""What fails inside loops, branches, remat, vmap and custom calls."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.nonfinite.case import Cases
from tests.nonfinite.forward import f16, f32

LOOPS = Cases()


@LOOPS.add("log", f32(3.5, 9), iteration=(4,), reason="log of -0.5")
def scan_that_runs_below_zero(x: Any) -> Any:
    def step(carry: Any, _: Any) -> Any:
        y = jnp.log(carry)  # failed
        return carry - 1, y

    return lax.scan(step, x, None, length=6)[1].sum()


@LOOPS.add("log", np.arange(6, dtype=np.float32) - 3, iteration=(2,))
def scan_in_reverse(x: Any) -> Any:
    return lax.scan(
        lambda c, r: (c + jnp.log(r), None),  # failed
        0.0,
        x,
        reverse=True,
    )[0]


@LOOPS.add("sub", f16(1.0, 2.0), cause="mul", iteration=(4,), cause_iteration=(3,))
def recurrence_that_explodes(h: Any) -> Any:
    def step(_: Any, h: Any) -> Any:
        centred = h - h.mean()  # failed
        return (centred + h) * jnp.float16(10)  # cause

    return lax.fori_loop(0, 8, step, h)


@LOOPS.add("sqrt", f32(9), iteration=(2,), reason="negative")
def while_loop_of_roots(x: Any) -> Any:
    def body(state: Any) -> Any:
        count, x = state
        return count + 1, jnp.sqrt(x) - 2  # failed

    return lax.while_loop(lambda s: s[0] < 5, body, (0, x))[1]


@LOOPS.add("div", f32(1, 2), np.int32(4), iteration=(2,), reason="0/0")
def loop_of_unknown_length(x: Any, n: Any) -> Any:
    def body(i: Any, total: Any) -> Any:
        weight = jnp.float32(i) - 2
        return total + weight / (weight * x)  # failed

    return lax.fori_loop(0, n, body, x).sum()


@LOOPS.add("log", np.ones((2, 3), np.float32), iteration=(1, 2), reason="log of -1")
def scan_in_a_scan(x: Any) -> Any:
    def outer(carry: Any, row: Any) -> Any:
        def inner(c: Any, _: Any) -> Any:
            return c - 1, jnp.log(c)  # failed

        c, logs = lax.scan(inner, carry, None, length=3)
        return c, logs.sum() + row.sum()

    return lax.scan(outer, 4.0, x)[1].sum()


@LOOPS.add("div", f32(2, 0), reason="0/0")
def branch_that_divides(x: Any) -> Any:
    def shrink(x: Any) -> Any:
        return x / x  # failed

    return lax.cond(x[0] > 1, shrink, lambda x: x, x)


@LOOPS.add("log", np.int32(2), f32(-1, 1), reason="log of -1")
def switch_of_three(index: Any, x: Any) -> Any:
    return lax.switch(
        index,
        [
            lambda x: x,
            lambda x: x / 0,
            lambda x: jnp.log(x),  # failed
        ],
        x,
    )


@LOOPS.add("log", f32(4, 2), iteration=(3,))
def branch_in_a_loop(x: Any) -> Any:
    def step(c: Any, i: Any) -> Any:
        y = lax.cond(
            i == 3,
            lambda c: jnp.log(c - 99),  # failed
            lambda c: jnp.log(c + 9),
            c,
        )
        return c + y, None

    return lax.scan(step, x, jnp.arange(5))[0]


@LOOPS.add("mul", f32(0, 1), cause="div", direction="backward", through=jax.grad)
def checkpointed_root(x: Any) -> Any:
    def block(x: Any) -> Any:
        return jnp.where(x > 0, jnp.sqrt(x), 0.0)  # failed and cause

    return jax.checkpoint(block)(x).sum()


@LOOPS.add(
    "mul",
    f32(1, 2),
    cause="div",
    direction="backward",
    iteration=(2,),
    cause_iteration=(2,),
    through=jax.grad,
)
def backward_through_a_scan(x: Any) -> Any:
    def step(c: Any, i: Any) -> Any:
        y = jnp.sqrt(c * (i != 2))  # failed and cause
        return c + jnp.where(i == 2, 0.0, y), None

    return lax.scan(step, x, jnp.arange(4))[0].sum()


@LOOPS.add(
    "mul",
    f32(1, 2),
    cause="div",
    direction="backward",
    iteration=(1,),
    cause_iteration=(1,),
    through=jax.grad,
)
def backward_through_a_checkpointed_scan(x: Any) -> Any:
    @jax.checkpoint
    def step(c: Any, i: Any) -> Any:
        size = jnp.linalg.norm(c * (i != 1))  # failed and cause
        return c + size, None

    return lax.scan(step, x, jnp.arange(3))[0].sum()


@LOOPS.add("log", np.array([[3, 2], [1, -1]], np.float32), reason="log of -1")
def batched_by_vmap(x: Any) -> Any:
    return jax.vmap(lambda row: jnp.log(row).sum())(x)  # failed


@LOOPS.add("sqrt", f32(1, 16), iteration=(1,))
def while_loop_under_vmap(x: Any) -> Any:
    def one(x: Any) -> Any:
        return lax.while_loop(
            lambda x: x > -2,
            lambda x: jnp.sqrt(x) - 1.5,  # failed
            x,
        )

    return jax.vmap(one)(x)


@LOOPS.add("div", np.zeros(4, np.float32), np.ones(4, np.float32), reason="0/0")
def condition_under_vmap(x: Any, p: Any) -> Any:
    def one(x: Any, p: Any) -> Any:
        return lax.cond(p > 0, lambda x: x / x, lambda x: x, x)  # failed

    return jax.vmap(one)(x, p).sum()


@LOOPS.add("mul", f32(1, 0, 1e30, 1e30), cause="mul")
def associative_scan_of_products(x: Any) -> Any:
    def combine(a: Any, b: Any) -> Any:
        return a * b  # failed and cause

    return lax.associative_scan(combine, jnp.concatenate([x, x[::-1]])[::-1] * 1e5)


@LOOPS.add("log", f32(1, -1), reason="log of -1")
def function_in_a_function(x: Any) -> Any:
    @jax.jit
    def outer(x: Any) -> Any:
        @jax.jit
        def inner(x: Any) -> Any:
            return jnp.log(x)  # failed

        return inner(x) * 2

    return outer(x).sum()


@LOOPS.add("div", f32(0, 1), iteration=(0,))
def mapped_over_rows(x: Any) -> Any:
    return lax.map(lambda r: r / r, x)  # failed


def plain_log(x: Any) -> Any:
    return jnp.log(x)  # failed


safe_log = jax.custom_jvp(plain_log)
safe_log.defjvps(lambda t, ans, x: t / jnp.maximum(x, 1e-6))


@LOOPS.add("log", f32(1, -2), source=plain_log)
def body_of_a_custom_rule(x: Any) -> Any:
    return safe_log(x).sum()


@LOOPS.add("log", f32(3, 1), cause="", iteration=(2,))
def online_softmax_of_a_scan(x: Any) -> Any:
    def step(state: Any, i: Any) -> Any:
        most, total = state
        new = jnp.maximum(most, x[0] - i)
        total = total * jnp.exp(most - new) + jnp.exp(x[0] - i - new)
        return (new, total), jnp.log(x[1] - i + 0.5 * total * 0)  # failed

    return lax.scan(step, (-jnp.inf, 0.0), jnp.arange(3.0))[1]


@LOOPS.add("div", f32(1, 1), reason="0/0", iteration=(0,))
def dynamic_slices_in_a_loop(x: Any) -> Any:
    def body(i: Any, table: Any) -> Any:
        row = lax.dynamic_slice(table, (i,), (1,)) - 1
        row = row / (row * (1 - i) + row)  # failed
        return lax.dynamic_update_slice(table, row, (i + 0,))

    return lax.fori_loop(1, 2, body, x)


@LOOPS.add("mul", f32(2, 1), cause="log", iteration=(197,), cause_iteration=(197,))
def long_scan(x: Any) -> Any:
    def step(c: Any, _: Any) -> Any:
        c = jnp.where(c > 300, c, c + 1)
        d = jnp.log(200.0 - c)  # cause
        return c + 0 * d, d  # failed

    return lax.scan(step, x, None, length=210)[0]
