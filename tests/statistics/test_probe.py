"""`probe` returns the function's own outputs, traces once, and works anywhere."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from jaxdebug.statistics.measurement import ROWS
from jaxdebug.statistics.probe import probe
from tests.slow import quick_cases

RNG = np.random.default_rng(0)
W = RNG.normal(size=(3, 3)).astype(np.float32)
X = RNG.normal(size=(4, 3)).astype(np.float32)


def layer(w: jax.Array, x: jax.Array) -> jax.Array:
    with jax.named_scope("layer"):
        return jnp.tanh(x @ w)


def loss(w: jax.Array, x: jax.Array) -> jax.Array:
    return jnp.sum(layer(w, jnp.sin(layer(w, x))) ** 2)


def outputs(w: np.ndarray, x: np.ndarray) -> list[np.ndarray]:
    first = np.tanh(x @ w)
    return [first, np.tanh(np.sin(first) @ w)]


def check(statistics: Any, w: np.ndarray = W, x: np.ndarray = X) -> None:
    for index, array in enumerate(outputs(w, x)):
        numbers = statistics.summary(f"layer[{index}]" if index else "layer")
        np.testing.assert_allclose(numbers["sum"], array.sum(), rtol=1e-4)
        assert numbers["count"] == array.size


def check_wrong(statistics: Any) -> None:
    with pytest.raises(AssertionError):
        check(statistics, x=X * np.float32(1.001))


def test_eager_and_jit_return_the_functions_own_output() -> None:
    wanted = jax.jit(loss)(W, X)
    for probed in (probe(loss), jax.jit(probe(loss)), probe(jax.jit(loss))):
        out, statistics = probed(W, X)
        np.testing.assert_allclose(out, wanted, rtol=1e-6)
        check(statistics)
        check_wrong(statistics)


def test_under_vmap() -> None:
    out, statistics = jax.jit(jax.vmap(probe(loss), (None, 0)))(W, np.stack([X, 2 * X]))
    assert out.shape == (2,)
    sums = statistics.summary("layer")["sum"]
    wanted = [outputs(W, x)[0].sum() for x in (X, 2 * X)]
    np.testing.assert_allclose(sums, wanted, rtol=1e-4)


def test_under_grad() -> None:
    gradient, statistics = jax.jit(jax.grad(probe(loss), has_aux=True))(W, X)
    np.testing.assert_array_equal(gradient, jax.jit(jax.grad(loss))(W, X))
    check(statistics)


def test_inside_scan_and_the_users_jit() -> None:
    @jax.jit
    def users(w: jax.Array, xs: jax.Array) -> Any:
        def body(carry: jax.Array, x: jax.Array) -> Any:
            out, statistics = probe(loss)(w, x)
            return carry + out, statistics

        return lax.scan(body, jnp.float32(0), xs)

    total, statistics = users(W, np.stack([X, 2 * X, X]))
    wanted = [loss(W, x) for x in (X, 2 * X, X)]
    np.testing.assert_allclose(total, np.sum(wanted), rtol=1e-5)
    sums = statistics.summary("layer")["sum"]
    rows = [outputs(W, x)[0].sum() for x in (X, 2 * X, X)]
    np.testing.assert_allclose(sums, rows, rtol=1e-4)


def test_on_a_donated_step() -> None:
    @partial(jax.jit, donate_argnums=0)
    def step(w: jax.Array, x: jax.Array) -> jax.Array:
        return w - 0.1 * jax.grad(loss)(w, x)

    wanted = step(jnp.asarray(W), X)
    w = jnp.asarray(W)
    observed, statistics = jax.jit(probe(step))(w, X)
    assert not w.is_deleted()
    np.testing.assert_allclose(observed, wanted, rtol=1e-6)
    check(statistics)


def test_statistics_are_a_pytree_of_32_bit_arrays() -> None:
    _, statistics = probe(loss)(W, X)
    for leaf in jax.tree.leaves(statistics):
        assert leaf.dtype in (np.float32, np.int32, np.complex64)


# Traces


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [False, True])
def test_one_trace_for_each_signature(compiled: bool) -> None:
    traced = []

    def counted(w: jax.Array, x: jax.Array) -> jax.Array:
        traced.append(x.shape)
        return loss(w, x)

    probed = jax.jit(probe(counted)) if compiled else probe(counted)
    for _ in range(3):
        probed(W, X)
        probed(W + 1, X + 1)
    assert traced == [(4, 3)]
    probed(W, X[:2])
    probed(W, X[:2])
    assert traced == [(4, 3), (2, 3)]


@pytest.mark.slow
def test_another_setting_or_dtype_is_another_signature() -> None:
    traced = []

    def counted(x: jax.Array) -> jax.Array:
        traced.append(x.dtype)
        return jnp.sum(x)

    probed = probe(counted)
    probed(X)
    probed(X.astype(np.float16))
    with jax.default_matmul_precision("highest"):
        probed(X)
    probed(X)
    assert len(traced) == 3


# Loops, branches, shards


def halves(c: jax.Array) -> jax.Array:
    with jax.named_scope("half"):
        return c * 0.5


@pytest.mark.parametrize("length", quick_cases([3, ROWS, ROWS + 72], [3, ROWS + 72]))
def test_scans_keep_rows_or_are_added_up(length: int) -> None:
    def function(x: jax.Array) -> jax.Array:
        return lax.scan(lambda c, row: (halves(c) + row, None), x[0], x)[0]

    x = RNG.normal(size=(length, 3)).astype(np.float32)
    _, statistics = jax.jit(probe(function))(x)
    carry, rows = x[0].astype(np.float64), []
    for row in x:
        rows.append(carry * 0.5)
        carry = rows[-1] + row
    numbers = statistics.summary("half")
    if length <= ROWS:
        np.testing.assert_array_equal(numbers["count"], [3] * length)
        np.testing.assert_allclose(numbers["sum"], np.sum(rows, 1), atol=1e-5)
    else:
        assert numbers["count"] == 3 * length
        bar = 1e-5 * np.abs(rows).sum()
        assert abs(numbers["sum"] - np.sum(rows)) <= bar
        assert abs(numbers["sum"] - np.sum(rows[:-1])) > bar


def test_while_loops_are_added_up() -> None:
    def function(x: jax.Array) -> Any:
        return lax.while_loop(lambda c: c.sum() > 1, halves, x)

    _, statistics = jax.jit(probe(function))(np.full(4, 4, np.float32))
    numbers = statistics.summary("half")
    # 16 -> 8 -> 4 -> 2 -> 1 stops: four halvings.
    assert numbers["count"] == 16
    assert numbers["sum"] == 8 + 4 + 2 + 1


def test_a_while_loop_that_never_runs_has_nothing() -> None:
    def function(x: jax.Array) -> Any:
        return lax.while_loop(lambda c: c.sum() > 1e9, halves, x)

    _, statistics = jax.jit(probe(function))(X[0])
    numbers = statistics.summary("half")
    assert numbers["count"] == 0
    assert np.isnan(numbers["mean"])


def test_a_branch_not_taken_has_nothing() -> None:
    def function(x: jax.Array, flag: jax.Array) -> Any:
        return lax.cond(flag, halves, lambda x: x, x)

    probed = jax.jit(probe(function))
    for taken in (True, False):
        _, statistics = probed(X, taken)
        assert statistics.summary("half")["count"] == (X.size if taken else 0)


@pytest.mark.parametrize("check_vma", quick_cases([True, False], [True]))
def test_shards_are_added_up(check_vma: bool) -> None:
    """Replicated values count once where JAX knows that they are."""
    mesh = jax.make_mesh((8,), ("d",), axis_types=(AxisType.Auto,))

    def body(x: jax.Array, w: jax.Array) -> Any:
        with jax.named_scope("split"):
            y = x * 2
        with jax.named_scope("same"):
            v = w * 3
        return y + v

    function = jax.shard_map(
        body,
        mesh=mesh,
        in_specs=(P("d"), P()),
        out_specs=P("d"),
        check_vma=check_vma,
    )
    x = RNG.normal(size=(16,)).astype(np.float32)
    w = np.float32(2)
    out, statistics = jax.jit(probe(function))(x, w)
    np.testing.assert_allclose(out, x * 2 + 6)
    split, same = statistics.summary("split"), statistics.summary("same")
    assert split["count"] == 16
    assert abs(split["sum"] - 2 * x.astype(np.float64).sum()) < 1e-5
    assert same["count"] == (1 if check_vma else 8)
    assert same["max"] == 6


def test_under_strict_promotion() -> None:
    def function(x: jax.Array) -> Any:
        y = lax.scan(lambda c, row: (halves(c), None), x, length=200)[0]
        return lax.cond(y[0] > 0, halves, lambda x: x, y)

    x = np.ones(3, jnp.bfloat16)
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        _, statistics = jax.jit(probe(function))(x)
    assert statistics.summary("half")["count"] == 3 * 200


@pytest.mark.slow
def test_rematerialisation_keeps_its_memory() -> None:
    """Probed before or after differentiation, little more than before is saved."""
    layers, width, batch = 4, 16, 16384

    def network(remat: bool, ws: jax.Array, x: jax.Array) -> jax.Array:
        def block(w: jax.Array, x: jax.Array) -> jax.Array:
            for index in range(3):
                with jax.named_scope(f"part{index}"):
                    x = jnp.sin(jnp.sin(x @ w))
            return x

        for index in range(layers):
            with jax.named_scope(f"block{index}"):
                x = (jax.checkpoint(block) if remat else block)(ws[index], x)
        return jnp.sum(x**2)

    def temporary(function: Any) -> int:
        structs = (
            jax.ShapeDtypeStruct((layers, width, width), np.float32),
            jax.ShapeDtypeStruct((batch, width), np.float32),
        )
        compiled = jax.jit(function).lower(*structs).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    saved = partial(network, True)
    without = temporary(jax.grad(partial(network, False)))
    alone = temporary(jax.grad(saved))
    # On a CPU, the compiler of older JAX undoes the rematerialisation itself.
    assert alone < 0.5 * without or jax.default_backend() == "cpu"
    assert temporary(jax.grad(probe(saved), has_aux=True)) < 1.25 * alone
    assert temporary(probe(jax.grad(saved))) < 1.25 * alone
    # An array that is kept, as a slightly wrong probe would, is noticed.
    kept = jax.grad(lambda ws, x: (saved(ws, x), network(False, ws, x))[1])
    assert alone == without or temporary(kept) > 1.25 * alone
