"""What the probe refuses, and under which names it reports."""

import re
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jaxdebug.statistics.probe import probe


def test_what_is_no_function_is_refused_when_the_probe_is_made() -> None:
    with pytest.raises(TypeError, match=r"probe expects a function .* found int"):
        probe(3)  # type: ignore[arg-type]


def test_a_returned_gradient_has_the_name_of_its_parameter() -> None:
    def loss(params: dict, x: jax.Array) -> jax.Array:
        return ((x @ params["a"]["w"]) ** 2).sum()

    params = {"a": {"w": jnp.ones((3, 2))}}
    _, statistics = jax.eval_shape(
        probe(jax.value_and_grad(loss)), params, jnp.ones((4, 3))
    )
    names = {(site.name, site.kind) for site in statistics.sites}
    assert {("a/w", "input"), ("a/w", "gradient")} <= names


PARAMS = {"w": jnp.ones((3, 2))}
X = jnp.ones((4, 3))
TX = optax.sgd(0.1)


def step(params: Any, x: Any, tx: Any, mode: Any) -> Any:
    """A train step that can be traced only if `tx` and `mode` are Python's."""
    assert mode == "train"
    grads = jax.grad(lambda p: jnp.sum((x @ p["w"]) ** 2))(params)
    updates, _ = tx.update(grads, tx.init(params))
    return optax.apply_updates(params, updates)


@pytest.mark.parametrize(
    "jit",
    [
        pytest.param(lambda f: f, marks=pytest.mark.slow),
        lambda f: jax.jit(f, static_argnames=("tx", "mode")),
        pytest.param(
            lambda f: jax.jit(f, static_argnums=(2, -1)), marks=pytest.mark.slow
        ),
        pytest.param(eqx.filter_jit, marks=pytest.mark.slow),
    ],
)
def test_what_is_no_array_is_held_fixed(jit: Any) -> None:
    (new, statistics) = probe(jit(step), statistics=())(PARAMS, X, TX, "train")
    np.testing.assert_array_equal(new["w"], step(PARAMS, X, TX, "train")["w"])
    names = {(site.name, site.kind) for site in statistics.sites}
    assert {("w", "parameter"), ("w", "gradient"), ("w", "cotangent")} <= names


def test_static_arguments_may_be_numbers() -> None:
    def power(x: Any, count: Any) -> Any:
        for _ in range(count):
            x = x * x
        return x

    for jitted in (jax.jit(power, static_argnames="count"), eqx.filter_jit(power)):
        probed = probe(jitted, statistics=())
        assert [float(probed(jnp.float32(2), n)[0]) for n in (1, 2)] == [4, 16]
        assert float(probed(jnp.float32(2), count=3)[0]) == 256


class Trainer:
    """An object whose methods are jitted, as trainers often are."""

    @partial(jax.jit, static_argnums=0)
    def first(self, params: Any, x: Any) -> Any:
        return step(params, x, TX, "train")

    @partial(jax.jit, static_argnums=(0, 3, -1))
    def several(self, params: Any, x: Any, tx: Any, mode: Any) -> Any:
        return step(params, x, tx, mode)

    @partial(jax.jit, static_argnames=("self", "mode"))
    def by_name(self, params: Any, x: Any, mode: Any) -> Any:
        return step(params, x, TX, mode)


@pytest.mark.parametrize(
    ("method", "rest"),
    [("first", ()), ("several", (TX, "train")), ("by_name", ("train",))],
)
def test_the_static_object_of_a_method_is_no_argument(method: str, rest: Any) -> None:
    """Parameters are the first argument, and are not held in its place."""
    for jitted, args in (
        (getattr(Trainer(), method), (PARAMS, X, *rest)),
        (getattr(Trainer, method), (Trainer(), PARAMS, X, *rest)),
    ):
        _, statistics = probe(jitted, statistics=())(*args)
        names = {(site.name, site.kind) for site in statistics.sites}
        assert {("w", "parameter"), ("w", "gradient")} <= names


@pytest.mark.slow
def test_a_flag_of_an_nnx_step_is_held_fixed_and_the_model_is_trained() -> None:
    model = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
    other = nnx.clone(model)

    def train(model: Any, x: Any, mode: Any) -> None:
        assert mode == "train"
        grads = nnx.grad(lambda m: jnp.sum(m(x) ** 2))(model)
        state = jax.tree.map(lambda p, g: p - 0.1 * g, nnx.state(model), grads)
        nnx.update(model, state)

    train(other, X, "train")
    probed = probe(nnx.jit(train, static_argnames="mode"), statistics=())
    probed(model, X, mode="train")
    np.testing.assert_allclose(model.kernel[...], other.kernel[...], rtol=1e-6)


def test_equal_constants_are_traced_once() -> None:
    seen = []
    probed = probe(lambda x, mode: seen.append(mode) or x)
    for mode in ("train", "train", "test", 1, 1.0):
        probed(X, mode)
    # Numbers are arrays, unless the function has them as static.
    assert seen[:2] == ["train", "test"]
    assert all(isinstance(mode, jax.Array) for mode in seen[2:])


class Holder:
    """No pytree."""

    def __init__(self) -> None:
        self.array = X


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (lambda: (X for _ in range(2)), "generator. Hand in one batch"),
        (lambda: iter([X]), "list_iterator. Hand in one batch"),
        (lambda: np.array(["a"]), "ndarray of <U1"),
        (Holder, "Holder, which holds arrays and is no pytree"),
    ],
)
def test_what_would_change_unseen_is_refused(value: Any, found: str) -> None:
    where = re.escape("argument 1, field x a leaf of type " + found)
    with pytest.raises(TypeError, match=where):
        probe(lambda p, b: p["w"])(PARAMS, {"x": value()})
    with pytest.raises(TypeError, match=re.escape("found at b a leaf of type")):
        probe(lambda p, b: p["w"])(PARAMS, b=value())
