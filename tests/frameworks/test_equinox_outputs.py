"""Outputs and cotangents of Equinox modules, containers too, against their own code."""

from __future__ import annotations

import threading
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

import jaxdebug as jd
from jaxdebug.frameworks import modules
from jaxdebug.frameworks.in_place import returning_changes
from jaxdebug.frameworks.modules import shared_scopes
from jaxdebug.frameworks.observed import observed, trace_observed
from tests.modules.layer_arrays import Arrays, Tap, check_same, seen, told
from tests.modules.test_equinox_names import linear, normalised

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
TX = optax.adam(1e-2)


class Block(eqx.Module):
    """A residual branch: what the block returns is no layer's output."""

    norm: eqx.nn.LayerNorm
    mlp: eqx.nn.MLP
    scale: jax.Array
    note: str = eqx.field(static=True, default="residual")

    def __init__(self, key: Any):
        self.norm = eqx.nn.LayerNorm(4)
        self.mlp = eqx.nn.MLP(4, 4, 6, 1, jax.nn.gelu, key=key)
        self.scale = jnp.full(4, 0.7)

    def __call__(self, x):
        return x + self.scale * self.mlp(self.norm(x))


class Net(eqx.Module):
    """Blocks in a list, one of them called twice; heads in a dictionary."""

    blocks: list[Block]
    heads: dict[str, eqx.nn.Linear]

    def __init__(self, key: Any):
        keys = jax.random.split(key, 4)
        self.blocks = [Block(keys[0]), Block(keys[1])]
        self.heads = {
            "mean": eqx.nn.Linear(4, 2, key=keys[2]),
            "scale": eqx.nn.Linear(4, 3, key=keys[3]),
        }

    def __call__(self, x):
        first, second = self.blocks
        x = second(first(jnp.sin(first(x))))
        return self.heads["mean"](x), jnp.tanh(self.heads["scale"](x))


def contract(outputs: Any) -> Any:
    flat = jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(outputs)])
    return jnp.sum(jnp.sin(flat) * jnp.cos(jnp.arange(flat.size, dtype=flat.dtype)))


def loss(model: Any, x: Any) -> Any:
    return contract(jax.vmap(model)(x))


def told_block(tap: Tap, name: str, block: Any, x: Any) -> Any:
    h = normalised(tap, f"{name}/norm", block.norm, x)
    first, second = block.mlp.layers
    h = jax.nn.gelu(linear(tap, f"{name}/mlp/layers/0", first, h))
    h = tap(f"{name}/mlp", linear(tap, f"{name}/mlp/layers/1", second, h))
    return tap(name, x + tap(f"{name}/scale", block.scale * h))


def told_net(tap: Tap, model: Any, x: Any) -> Any:
    first, second = model.blocks
    x = jnp.sin(told_block(tap, "blocks/0", first, x))
    x = told_block(tap, "blocks/1", second, told_block(tap, "blocks/0", first, x))
    mean = linear(tap, "heads/mean", model.heads["mean"], x)
    scale = jnp.tanh(linear(tap, "heads/scale", model.heads["scale"], x))
    return contract((tap("Net", mean), tap("Net", scale)))


def found_in(function: Any, *args: Any) -> Arrays:
    found, unidentified = seen(function, *args, shared=shared_scopes(), marks=True)
    assert unidentified == {}
    return found


def told_of(written: Any, model: Any, x: Any) -> Arrays:
    params, static = eqx.partition(model, eqx.is_inexact_array)
    return told(lambda tap, p, x: written(tap, eqx.combine(p, static), x), params, x)


def shapes(function: Any, *args: Any) -> Any:
    """What the probed function returns; its arguments hold functions too."""
    return eqx.filter_eval_shape(jd.probe(function, statistics=()), *args)


@pytest.fixture(scope="module")
def net() -> Net:
    return Net(jax.random.key(0))


@pytest.mark.slow
def test_every_module_has_its_output_and_cotangent(net: Net) -> None:
    found = found_in(eqx.filter_value_and_grad(loss), net, X)
    check_same(found, told_of(told_net, net, X))


def step(model: Any, state: Any, x: Any) -> Any:
    value, grads = eqx.filter_value_and_grad(loss)(model, x)
    updates, state = TX.update(grads, state, eqx.filter(model, eqx.is_inexact_array))
    return eqx.apply_updates(model, updates), state, value


@pytest.mark.slow
def test_moments_of_the_model_have_its_structure(net: Net) -> None:
    state = TX.init(eqx.filter(net, eqx.is_inexact_array))
    wrapped = eqx.filter_jit(step)
    out, statistics = shapes(step, net, state, X)
    assert statistics.layout.unidentified == ()
    kinds = {(s.name, s.kind) for s in statistics.sites}
    assert kinds >= {("blocks/0/mlp", "output"), ("blocks/0/mlp", "cotangent")}
    model, state, _ = out
    assert jax.tree.structure(model.blocks[0].mlp.layers[0]) == jax.tree.structure(
        net.blocks[0].mlp.layers[0]
    )
    assert type(state[0].mu) is Net
    _, again = shapes(wrapped, net, state, X)
    assert {(s.name, s.kind) for s in again.sites} == kinds


class Scanned(eqx.Module):
    blocks: Block

    def __call__(self, x):
        arrays, static = eqx.partition(self.blocks, eqx.is_array)

        def body(x: Any, arrays: Any) -> Any:
            return eqx.combine(arrays, static)(x), None

        return lax.scan(body, x, arrays)[0]


@pytest.mark.slow
def test_blocks_in_a_scan(net: Net) -> None:
    stacked = jax.tree.map(
        lambda *leaves: jnp.stack(leaves) if eqx.is_array(leaves[0]) else leaves[0],
        *net.blocks,
    )
    found = found_in(eqx.filter_value_and_grad(loss), Scanned(stacked), X)
    assert found["Scanned", "output"].shape == (5, 4)

    def written_out(tap: Tap, blocks: Any, x: Any) -> Any:
        for index, block in enumerate(blocks):
            x = told_block(tap, f"{index}", block, x)
        return contract(x)

    wanted = told_of(written_out, net.blocks, X)
    for name in ("", "/mlp", "/mlp/layers/1", "/norm"):
        for kind in ("output", "cotangent"):
            rows = found[f"blocks{name}", kind]
            for index, row in enumerate(rows):
                np.testing.assert_allclose(
                    row, wanted[f"{index}{name}", kind], rtol=1e-5, atol=1e-6
                )


def test_a_definition_closed_over_is_traced_without_marks(net: Net) -> None:
    """Its static half is of the user's classes; names come from parameters alone."""
    params, static = eqx.partition(net, eqx.is_inexact_array)

    def value(params: Any, x: Any) -> Any:
        return loss(eqx.combine(params, static), x)

    _, statistics = shapes(value, params, X)
    names = {site.name for site in statistics.sites if site.kind == "output"}
    assert "blocks/0/mlp/layers/0" in names
    assert "blocks/0/scale" in names
    assert not names & {"blocks/0", "blocks/0/mlp"}
    assert ("modules",) in dict(statistics.layout.unidentified)


class Counted(eqx.Module):
    """A class that counts its subclasses, as registries of models do."""

    subclasses = 0
    inner: eqx.nn.Linear

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Counted.subclasses += 1

    def __call__(self, x):
        assert type(self).__name__ == "Counted"
        return self.inner(x)


def test_no_class_and_no_object_of_the_user_changes() -> None:
    model = Counted(eqx.nn.Linear(4, 4, key=jax.random.key(0)))
    attributes = dict(vars(Counted))
    taken = modules.split((model, X))
    program, unmarked = trace_observed(returning_changes(observed(loss)), *taken)
    assert unmarked == ""
    assert "Counted" in str(program.jaxpr)
    assert Counted.subclasses == 0
    assert dict(vars(Counted)) == attributes
    assert type(model) is Counted
    assert type(model.inner) is eqx.nn.Linear


def test_two_threads_at_once() -> None:
    found: dict[int, Any] = {}
    barrier = threading.Barrier(2)

    def work(index: int) -> None:
        model = Net(jax.random.key(index))
        barrier.wait()
        _, statistics = shapes(loss, model, X)
        found[index] = [(s.name, s.kind) for s in statistics.sites]

    threads = [threading.Thread(target=work, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1]
    assert ("blocks/1/mlp", "output") in found[0]


def test_state_that_a_layer_hands_on_is_no_output() -> None:
    model, state = eqx.nn.make_with_state(eqx.nn.BatchNorm)(4, "batch", mode="batch")

    def value(model: Any, state: Any, x: Any) -> Any:
        mapped = jax.vmap(
            model, axis_name="batch", in_axes=(0, None), out_axes=(0, None)
        )
        out, state = mapped(x, state)
        return contract(out), state

    _, statistics = shapes(value, model, state, X)
    outputs = [s.name for s in statistics.sites if s.kind == "output"]
    assert outputs.count("BatchNorm") == 1
    assert not any(name.startswith("BatchNorm[") for name in outputs)
