"""Outputs and cotangents of Haiku's modules, against what an interceptor adds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from tests.frameworks.linen_grid import contract
from tests.frameworks.linen_models import ROWS
from tests.frameworks.recorded import (
    Arrays,
    assert_same,
    by_name,
    recorded,
)
from tests.slow import quick_cases


class Block(hk.Module):
    def __call__(self, x):
        return jnp.tanh(hk.Linear(8, name="linear")(x))


class Coder(hk.Module):
    """A module built in its constructor, one in each method."""

    def __init__(self, name: str | None = None):
        super().__init__(name=name)
        self.stem = hk.Linear(8)

    def encode(self, x):
        return jnp.tanh(hk.Linear(8, name="down")(self.stem(x)))

    def __call__(self, x):
        return hk.Linear(8, name="up")(self.encode(x))


class Child(Block):
    """Calls its parent."""

    def __call__(self, x):
        return jnp.sin(super().__call__(x))


class Two(hk.Module):
    def __call__(self, x):
        return {"a": hk.Linear(3)(x), "b": (jnp.tanh(x), hk.Linear(2)(x))}


def nested(x: Any) -> Any:
    coder, shared = Coder(), hk.Linear(8, name="shared")
    x = coder(x) + coder.encode(jnp.cos(x))
    return Two()(Child()(shared(jnp.tanh(shared(x)))))


def with_state(x: Any) -> Any:
    x = hk.BatchNorm(True, True, 0.9)(hk.nets.MLP([8, 8])(x), is_training=True)
    return hk.Linear(3)(hk.dropout(hk.next_rng_key(), 0.3, jnp.tanh(x)))


def attention(x: Any) -> Any:
    x = hk.LayerNorm(-1, True, True)(x)
    attend = hk.MultiHeadAttention(2, 4, w_init=jnp.zeros)
    return attend(x, jnp.sin(x), x)


MODELS: dict[str, Callable[..., Any]] = {
    "nested": nested,
    "with_state": with_state,
    "attention": attention,
}


class Drawn(NamedTuple):
    """A transformed function and its parameters, which no initialiser drew."""

    apply: Callable[..., Any]
    params: Any


def drawn(model: Callable[..., Any], x: Any = ROWS) -> Drawn:
    network = hk.transform_with_state(model)
    key, rng = jax.random.key(0), np.random.default_rng(1)
    params, state = jax.tree.map(
        lambda leaf: rng.normal(size=leaf.shape).astype(leaf.dtype) * 0.5,
        jax.eval_shape(network.init, key, x),
    )

    def apply(params: Any, x: Any) -> Any:
        return network.apply(params, state, key, x)[0]

    return Drawn(apply, params)


def spelled(context: hk.MethodContext) -> str | None:
    """The module's path, with the method where it is not its call."""
    module, method = context.module, context.method_name
    own = next(base for base in type(module).__mro__ if method in vars(base))
    if method == "__init__" or own is not context.orig_class:
        return None
    name = module.module_name
    return name if method == "__call__" else f"{name}/~{method}"


def said_by_haiku(apply: Callable[..., Any], params: Any, x: Any) -> Arrays:
    """Outputs as they pass by, cotangents by what is added to them."""

    def perturbed(added: Any) -> Any:
        calls: Counter[Any] = Counter()
        outputs: dict[str, list[Any]] = defaultdict(list)

        def add(method: Any, args: Any, kwargs: Any, context: Any) -> Any:
            name, out = spelled(context), method(*args, **kwargs)
            if name is None:
                return out
            leaves, tree = jax.tree.flatten(out)
            for index, leaf in enumerate(leaves):
                outputs[name].append(leaf)
                if added is not None:
                    leaves[index] = leaf + added[name][calls[name]]
                calls[name] += 1
            return jax.tree.unflatten(tree, leaves)

        with hk.intercept_methods(add):
            return contract(apply(params, x)), dict(outputs)

    shapes = jax.eval_shape(lambda: perturbed(None)[1])
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    gradient = jax.grad(perturbed, has_aux=True)
    compiled: Any = jax.jit(gradient)
    cotangents, outputs = jax.device_get(compiled(zeros))
    found = {(name, "output"): each for name, each in outputs.items()}
    for name, each in cotangents.items():
        if any(np.any(leaf) for leaf in each):  # running averages have none
            found[name, "cotangent"] = each
    return found


def sites(apply: Callable[..., Any], params: Any, x: Any) -> Arrays:
    def value(params: Any, x: Any) -> Any:
        return contract(apply(params, x))

    found = recorded(jax.value_and_grad(value), params, x)
    assert found.layers.unidentified == ()
    run: Any = jax.jit(found.run)
    return by_name(jax.device_get(run(params, x)[1]))


@pytest.mark.parametrize("name", quick_cases(MODELS, ["nested"]))
def test_every_layer_is_haikus_own(name: str) -> None:
    # In float64, where two programs do not differ by how they are compiled.
    with jax.enable_x64(True):
        x = ROWS.astype(np.float64)
        apply, params = drawn(MODELS[name], x)
        assert_same(sites(apply, params, x), said_by_haiku(apply, params, x))


def test_names_are_those_of_the_parameters() -> None:
    apply, params = drawn(nested)
    names = {name for name, _ in sites(apply, params, ROWS)}
    assert set(params) <= names
    assert names - set(params) == {"coder", "coder/~encode", "child", "two"}


def test_rematerialised_modules_are_counted_once() -> None:
    def model(remat: bool) -> Callable[..., Any]:
        def forward(x: Any) -> Any:
            inner, outer = Block(name="inner"), Block(name="outer")

            def both(x: Any) -> Any:
                return jnp.sin(outer(inner(x)))

            return (hk.remat(both) if remat else both)(x)

        return forward

    apply, params = drawn(model(False))
    wanted = sites(apply, params, ROWS)
    assert_same(sites(drawn(model(True)).apply, params, ROWS), wanted)


def test_a_core_unrolled_by_scan() -> None:
    """The rows of a scan are the calls of the loop written out."""
    steps = np.random.default_rng(0).normal(size=(3, 4, 8)).astype(np.float32)

    def model(unroll: Callable[..., Any]) -> Callable[..., Any]:
        def forward(x: Any) -> Any:
            core = hk.VanillaRNN(8)
            return unroll(core, x, core.initial_state(4))[0]

        return forward

    apply, params = drawn(model(hk.dynamic_unroll), steps)
    found = sites(apply, params, steps)
    wanted = sites(drawn(model(hk.static_unroll), steps).apply, params, steps)
    assert found.keys() == wanted.keys()
    for kind in ("output", "cotangent"):
        (rows,) = found["vanilla_rnn/linear", kind]
        each = np.stack(wanted["vanilla_rnn/linear", kind])
        np.testing.assert_allclose(rows, each, rtol=1e-5, atol=1e-6)


def test_stacked_layers() -> None:
    def stacked(x: Any) -> Any:
        return hk.experimental.layer_stack(3)(lambda x: Block(name="block")(x))(x)

    apply, params = drawn(stacked)
    found = sites(apply, params, ROWS)
    (linear,) = params.values()
    outputs, x = [], ROWS
    for w, b in zip(linear["w"], linear["b"], strict=True):
        outputs.append(x @ w + b)
        x = np.tanh(outputs[-1])
    assert {name for name, _ in found} == {"block", "block/linear"}
    np.testing.assert_allclose(
        found["block/linear", "output"][0], np.stack(outputs), rtol=1e-5, atol=1e-6
    )


def test_several_functions_of_one_transform() -> None:
    def pair() -> Any:
        coder = Coder()
        return coder, (coder.encode, coder)

    network = hk.multi_transform(pair)
    encode, call = network.apply
    params = network.init(jax.random.key(0), ROWS)

    def value(params: Any, x: Any) -> Any:
        return contract(call(params, None, x)) + contract(encode(params, None, x))

    _, statistics = jax.eval_shape(
        jd.probe(jax.value_and_grad(value), statistics=()), params, ROWS
    )
    found = Counter((s.name, s.kind) for s in statistics.sites)
    for name in ("coder/~encode", "coder/~/linear", "coder/~encode/down"):
        for suffix in ("", "[1]"):
            assert found[name + suffix, "output"] == 1
            assert found[name + suffix, "cotangent"] == 1
    assert statistics.layout.unidentified == ()


def test_lines_are_the_users() -> None:
    apply, params = drawn(nested)
    _, statistics = jax.eval_shape(jd.probe(apply, statistics=()), params, ROWS)
    lines = {s.name: s.line for s in statistics.sites if s.kind == "output"}
    assert all(line and line.file == __file__ for line in lines.values())
    line = lines["coder/~encode/down"]
    assert line is not None
    assert line.function.endswith("encode")
