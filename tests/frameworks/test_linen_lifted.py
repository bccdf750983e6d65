"""Control flow, custom derivatives, scopes and bound modules of Linen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxdebug as jd
from tests.frameworks.linen_grid import contract
from tests.frameworks.linen_models import ROWS, Coder, Dense
from tests.frameworks.recorded import Arrays, by_name, recorded


def initial(model: nn.Module, *args: Any, **kwargs: Any) -> Any:
    """Variables drawn by NumPy: no initialiser is compiled."""
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(
        lambda: model.init(jax.random.key(0), ROWS, *args, **kwargs)
    )
    return jax.tree.map(
        lambda leaf: rng.normal(size=leaf.shape).astype(np.float32) * 0.5, shapes
    )


def sums(function: Callable[..., Any], *args: Any) -> dict[tuple[str, str], Any]:
    """Count and sum of each layer's output and cotangent."""
    _, statistics = jax.jit(jd.probe(function, statistics=()))(*args)
    assert statistics.layout.unidentified == ()
    return {
        (site.name, site.kind): (int(numbers["count"]), float(numbers["sum"]))
        for site, numbers in statistics
        if site.kind in ("output", "cotangent")
    }


class Chosen(nn.Module):
    @nn.compact
    def __call__(self, x, index):
        def branch(number: int) -> Callable[..., Any]:
            return lambda _, x: nn.Dense(8, name=f"head_{number}")(jnp.sin(number * x))

        branches = [branch(number) for number in (1, 2)]
        if self.is_initializing():
            for branch in branches:
                x = branch(self, x)
            return x
        if index.dtype == bool:
            return jnp.tanh(nn.cond(index, branches[1], branches[0], self, x))
        return jnp.tanh(nn.switch(index, branches, self, x))


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, True])
def test_only_the_branch_taken_counts(index: int | bool) -> None:
    model = Chosen()
    variables = initial(model, 0)

    def value(variables: Any, index: Any) -> Any:
        return contract(model.apply(variables, ROWS, index))

    found = sums(jax.value_and_grad(value), variables, jnp.asarray(index))
    taken = int(index) + 1
    params = variables["params"][f"head_{taken}"]
    output = np.sin(taken * ROWS) @ params["kernel"] + params["bias"]
    cotangent = jax.grad(lambda h: contract(jnp.tanh(h)))(output)
    for kind, array in {"output": output, "cotangent": cotangent}.items():
        count, total = found[f"Chosen/head_{taken}", kind]
        assert count == output.size
        assert total == pytest.approx(float(array.sum()), rel=1e-4, abs=1e-4)
        assert found[f"Chosen/head_{3 - taken}", kind] == (0, 0.0)


class Repeated(nn.Module):
    @nn.compact
    def __call__(self, x):
        dense = nn.Dense(8, name="dense")
        if self.is_initializing():
            return dense(x)

        def more(_: Any, state: Any) -> Any:
            return state[0] < 3

        def body(module: Any, state: Any) -> Any:
            return state[0] + 1, jnp.tanh(module(state[1]))

        return nn.while_loop(more, body, dense, (0, x))[1]


def test_a_while_loop_counts_every_iteration() -> None:
    model = Repeated()
    variables = initial(model)
    params, h, total = variables["params"]["dense"], ROWS, 0.0
    for _ in range(3):
        y = h @ params["kernel"] + params["bias"]
        h, total = np.tanh(y), total + y.sum()
    count, found = sums(model.apply, variables, ROWS)["Repeated/dense", "output"]
    assert count == 3 * ROWS.size
    assert found == pytest.approx(total, rel=1e-4)


class OwnDerivative(nn.Module):
    own: bool

    @nn.compact
    def __call__(self, x):
        def call(module: Any, x: Any) -> Any:
            return module(x)

        def forward(module: Any, x: Any) -> Any:
            return nn.vjp(call, module, x)

        def backward(pullback: Any, cotangent: Any) -> Any:
            return pullback(cotangent)

        own: Any = nn.custom_vjp(call, forward_fn=forward, backward_fn=backward)
        return jnp.sin((own if self.own else call)(Dense(name="inner"), x))


def arrays(model: nn.Module, variables: Any) -> Arrays:
    def value(variables: Any, x: Any) -> Any:
        return contract(model.apply(variables, x))

    found = recorded(jax.value_and_grad(value), variables, ROWS)
    assert found.layers.unidentified == ()
    return by_name(jax.jit(found.run)(variables, ROWS)[1])


def assert_close(found: Arrays, wanted: Arrays) -> None:
    assert found.keys() == wanted.keys()
    for key, each in wanted.items():
        for one, other in zip(found[key], each, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_inside_a_custom_derivative() -> None:
    variables = initial(OwnDerivative(False))
    assert_close(
        arrays(OwnDerivative(True), variables), arrays(OwnDerivative(False), variables)
    )


class Wrapping(nn.Module):
    shared: bool

    def setup(self):
        self.inner = Dense()
        if self.shared:
            nn.share_scope(self, self.inner)

    def __call__(self, x):
        return jnp.sin(self.inner(x))


def test_modules_that_share_a_scope() -> None:
    """They keep their own names; what is in them has that of the scope."""
    apart = initial(Wrapping(False))
    found = arrays(Wrapping(True), {"params": apart["params"]["inner"]})
    wanted = arrays(Wrapping(False), apart)
    dense = "Wrapping/inner/Dense_0"
    renamed = {
        ("Wrapping/Dense_0" if name == dense else name, kind): each
        for (name, kind), each in wanted.items()
    }
    assert_close(found, renamed)


@pytest.mark.slow
def test_bound_modules_and_methods_by_name() -> None:
    model = Coder()
    variables = initial(model)

    def bound(variables: Any, x: Any) -> Any:
        module = model.bind(variables)
        return contract(module.decode(module.encode(x)))

    def by_method(variables: Any, x: Any) -> Any:
        return contract(
            model.apply(variables, x, method=lambda m, x: m.decode(m.encode(x)))
        )

    found = sums(jax.value_and_grad(bound), variables, ROWS)
    assert found == sums(jax.value_and_grad(by_method), variables, ROWS)
    names = {"Coder.encode", "Coder/down", "Coder.decode", "Coder/up"}
    assert found.keys() == {
        (name, kind) for name in names for kind in ("output", "cotangent")
    }


def test_what_flax_captures_itself_stays() -> None:
    model = Coder()
    variables = initial(model)

    def function(variables: Any, x: Any) -> Any:
        return model.apply(
            variables, x, capture_intermediates=True, mutable=["intermediates"]
        )

    found = recorded(function, variables, ROWS)
    (_, captured), sites = found.run(variables, ROWS)
    down = by_name(sites)["Coder/down", "output"]
    np.testing.assert_array_equal(
        captured["intermediates"]["down"]["__call__"][0], down[0]
    )


@pytest.mark.parametrize("cell", [nn.LSTMCell, nn.GRUCell])
def test_gates_are_named_as_the_cell_is(cell: Any) -> None:
    """The cell is called in a scope of the RNN's, `scan_fn`, which is no module's."""

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            return nn.Dense(2)(nn.RNN(cell(4))(x))

    x = np.ones((2, 3, 5), np.float32)
    variables = jax.eval_shape(Net().init, jax.random.key(0), x)
    _, statistics = jax.eval_shape(jd.probe(Net().apply), variables, x)
    found = {s.path for s in statistics.sites if s.kind == "activation"}
    assert found == {("Net", f"{cell.__name__}_0")}
