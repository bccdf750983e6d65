"""Layers of plain parameters: names, outputs, cotangents, against the code itself."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

from tests.modules import plain_networks as networks
from tests.modules.layer_arrays import check_same, plain, seen, told
from tests.slow import quick_cases


@pytest.mark.parametrize("name", quick_cases(networks.NETWORKS, ("mlp", "flat")))
def test_outputs_and_cotangents_are_those_of_the_code(name: str) -> None:
    loss, params, batch = networks.NETWORKS[name]
    found, unidentified = seen(
        jax.value_and_grad(lambda p, b: loss(plain, p, b)), params, batch
    )
    assert not unidentified
    check_same(found, told(loss, params, batch))


@pytest.mark.parametrize(
    "name", ["mlp", pytest.param("transformer", marks=pytest.mark.slow)]
)
def test_in_a_train_step(name: str) -> None:
    loss, params, batch = networks.NETWORKS[name]
    tx = optax.adamw(1e-3)

    @jax.jit
    def step(state: Any, batch: Any) -> Any:
        value, grads = jax.value_and_grad(lambda p: loss(plain, p, batch))(state["p"])
        updates, opt = tx.update(grads, state["opt"], state["p"])
        return {"p": optax.apply_updates(state["p"], updates), "opt": opt}, value

    found, unidentified = seen(step, {"p": params, "opt": tx.init(params)}, batch)
    assert not unidentified
    wanted = told(loss, params, batch)
    check_same(found, {(f"p/{n}", kind): a for (n, kind), a in wanted.items()})


@pytest.mark.parametrize("name", quick_cases(["mlp", "flat", "transformer"], ["flat"]))
def test_forward_alone(name: str) -> None:
    """Without a derivative the first argument holds the parameters."""
    loss, params, batch = networks.NETWORKS[name]
    found, unidentified = seen(lambda p, b: loss(plain, p, b), params, batch)
    assert not unidentified
    wanted = told(loss, params, batch)
    check_same(found, {k: a for k, a in wanted.items() if k[1] == "output"})


def test_through_casts() -> None:
    """bfloat16: the compiler rounds less often than the code says."""
    params = networks.SQUARE
    found, _ = seen(
        jax.value_and_grad(lambda p, b: networks.cast(plain, p, b)), params, networks.X
    )
    wanted = told(networks.cast, params, networks.X)
    assert {a.dtype for a in found.values()} == {jnp.bfloat16.dtype}
    check_same(
        {k: a.astype(np.float32) for k, a in found.items()},
        {k: a.astype(np.float32) for k, a in wanted.items()},
        error=2**-8,
    )


@pytest.mark.slow
def test_inside_remat() -> None:
    params, ids = networks.BLOCKS, networks.IDS
    found, unidentified = seen(
        jax.value_and_grad(lambda p, b: networks.transformer(plain, p, b, remat=True)),
        params,
        ids,
    )
    assert not unidentified
    check_same(found, told(networks.transformer, params, ids))


@pytest.mark.parametrize("remat", quick_cases([False, True], []))
def test_stacked_blocks_have_a_row_for_each_block(remat: bool) -> None:
    blocks = jax.tree.map(lambda *rows: np.stack(rows), *networks.BLOCKS["blocks"])
    found, unidentified = seen(
        jax.value_and_grad(lambda p, b: networks.scanned_transformer(p, b, remat)),
        {**networks.BLOCKS, "blocks": blocks},
        networks.IDS,
    )
    assert not unidentified
    rows: dict[Any, Any] = {}
    for (name, kind), array in told(
        networks.transformer, networks.BLOCKS, networks.IDS
    ).items():
        stacked, _, rest = name.partition("/")
        if stacked == "blocks":
            name = f"blocks/{rest.partition('/')[2]}"
        rows.setdefault((name, kind), []).append(array)
    wanted = {
        (name, kind): np.stack(arrays) if name.startswith("blocks") else arrays[0]
        for (name, kind), arrays in rows.items()
    }
    check_same(found, wanted)


def test_scopes_that_tell_layers_apart_are_kept() -> None:
    def loss(params: Any, x: Any) -> Any:
        for name in ("first", "second"):
            with jax.named_scope(name):
                x = jnp.tanh(x @ params[name]["w"] + params[name]["b"])
        return jnp.sum(x)

    params = {"first": networks.dense(4, 4), "second": networks.dense(4, 4)}
    found, _ = seen(jax.value_and_grad(loss), params, networks.X)
    first = np.tanh(networks.X @ params["first"]["w"] + params["first"]["b"])
    assert {name for name, _ in found} == {"first", "second"}
    # The scope's output is behind its tanh, which consumes no parameter.
    np.testing.assert_allclose(found["first", "output"], first, rtol=1e-5)


def test_a_scope_around_several_layers_stays_around_them() -> None:
    def loss(params: Any, x: Any) -> Any:
        with jax.named_scope("encoder"):
            x = networks.mlp(plain, params, x)
        return x

    found, unidentified = seen(jax.value_and_grad(loss), networks.SQUARE, networks.X)
    assert not unidentified
    assert {name for name, kind in found if kind == "output"} == {
        "encoder",
        "encoder/0",
        "encoder/1",
        "encoder/2",
    }


def test_what_cannot_be_told_is_said() -> None:
    """A shift as large as its layer: its gradient is the cotangent itself."""

    def loss(params: Any, x: Any) -> Any:
        return jnp.sum(jnp.tanh(jnp.sin(x) + params["shift"]["b"]) ** 2)

    params = {"shift": {"b": np.zeros_like(networks.X)}}
    found, unidentified = seen(jax.value_and_grad(loss), params, networks.X)
    assert set(found) == {("shift", "output")}
    assert unidentified == {"shift": "no array is certain to be its cotangent"}


def test_a_wrong_array_is_found() -> None:
    loss, params, batch = networks.NETWORKS["mlp"]
    wanted = told(loss, params, batch)
    wanted["1", "cotangent"] = wanted["1", "cotangent"] * np.float32(1.0001)
    found, _ = seen(jax.value_and_grad(lambda p, b: loss(plain, p, b)), params, batch)
    with pytest.raises(AssertionError):
        check_same(found, wanted)


def test_two_networks_with_the_same_paths_are_told_apart() -> None:
    """A layer is named as its parameters are: after the argument that has them."""

    def net(params: Any, x: Any) -> Any:
        return jnp.tanh(x @ params["w1"] + params["b1"]) @ params["w2"]

    def loss(first: Any, second: Any, x: Any) -> Any:
        return jnp.sum(net(second, net(first, x)) ** 2)

    def step(first: Any, second: Any, x: Any) -> Any:
        grads = jax.grad(loss, argnums=(0, 1))(first, second, x)
        return jax.tree.map(lambda p, g: p - 0.1 * g, (first, second), grads)

    first = {"w1": networks.normal(4, 3), "b1": networks.normal(3)}
    first["w2"] = networks.normal(3, 4)
    second = jax.tree.map(lambda array: 2 * array, first)
    found, unidentified = seen(step, first, second, networks.X)
    assert not unidentified

    def tapped(tap: Any, params: Any, x: Any) -> Any:
        for place, p in enumerate(params):
            h = jnp.tanh(tap(f"{place}/w1+b1", x @ p["w1"] + p["b1"]))
            x = tap(f"{place}/w2", h @ p["w2"])
        return jnp.sum(x**2)

    check_same(found, told(tapped, (first, second), networks.X))


def test_a_single_layer_is_not_called_by_its_argument_alone() -> None:
    def loss(first: Any, second: Any, x: Any) -> Any:
        for params in (first, second):
            x = jnp.tanh(x @ params["w"] + params["b"])
        return jnp.sum(x)

    one, other = networks.dense(4, 4), networks.dense(4, 4)
    found, _ = seen(jax.value_and_grad(loss, argnums=(0, 1)), one, other, networks.X)
    assert {name for name, _ in found} == {"0/w+b", "1/w+b"}


def test_in_a_loop_of_train_steps() -> None:
    """What a loop of steps carries is the parameters still; here its last step."""
    loss, params, batch = networks.NETWORKS["mlp"]

    def step(params: Any, batch: Any) -> Any:
        grads = jax.grad(lambda p: loss(plain, p, batch))(params)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)

    def steps(params: Any, batch: Any) -> Any:
        return lax.fori_loop(0, 2, lambda _, params: step(params, batch), params)

    found, unidentified = seen(steps, params, batch)
    assert not unidentified
    wanted = told(loss, jax.jit(step)(params, batch), batch)
    check_same({key: rows[-1] for key, rows in found.items()}, wanted)
