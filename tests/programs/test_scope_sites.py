"""Sites of any function with `jax.named_scope`, and what is no site."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdebug.programs.graph import build_graph
from jaxdebug.programs.layers.sites import layer_sites
from jaxdebug.programs.places import Site
from jaxdebug.programs.program import trace
from jaxdebug.statistics.probe import probe

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3)).astype(np.float32)
W = RNG.normal(size=(3, 3)).astype(np.float32)


def dense(name: str, w: jax.Array, x: jax.Array) -> jax.Array:
    with jax.named_scope(name):
        return jnp.tanh(x @ w)


def network(w: jax.Array, x: jax.Array) -> jax.Array:
    for name in ("first", "second"):
        x = dense(name, w, x)
    return jnp.sum(x**3)


def sites_of(function: Any, *args: Any) -> tuple[set[Site], set[str]]:
    found = layer_sites(build_graph(trace(function, *args).jaxpr))
    return set(found.sites), {"/".join(path) for path, _ in found.unidentified}


def named(sites: set[Site], kind: str) -> dict[str, str]:
    return {site.name: site.primitive for site in sites if site.kind == kind}


def test_outputs_and_cotangents_are_right() -> None:
    (_, statistics) = jax.jit(probe(jax.grad(network)))(W, X)
    first = np.tanh(X @ W)
    second = np.tanh(first @ W)
    into_second = 3 * second**2
    into_first = (into_second * (1 - second**2)) @ W.T
    for name, output, cotangent in (
        ("first", first, into_first),
        ("second", second, into_second),
    ):
        for kind, array in (("output", output), ("cotangent", cotangent)):
            numbers = statistics.summary(name, kind)
            np.testing.assert_allclose(numbers["sum"], array.sum(), rtol=1e-4)
            np.testing.assert_allclose(numbers["max"], abs(array).max(), rtol=1e-5)


def test_residuals_are_not_outputs() -> None:
    """`1 - tanh(x)**2` is made last under the scope, but only backward reads it."""
    sites, unidentified = sites_of(jax.grad(network), W, X)
    assert named(sites, "output") == {"first": "tanh", "second": "tanh"}
    assert not unidentified


def test_recomputed_values_are_not_outputs() -> None:
    sites, _ = sites_of(jax.grad(jax.checkpoint(network)), W, X)
    outputs = named(sites, "output")
    assert not any("[" in name for name in outputs)


def test_lines_are_the_users_line() -> None:
    sites, _ = sites_of(jax.grad(network), W, X)
    for site in sites:
        assert site.line is not None
        assert site.line.file == __file__
        assert site.line.function in ("dense", "network", "<lambda>")


def test_a_step_that_ran_before_has_the_same_sites() -> None:
    """Cached inner jaxprs of the user's own jit have no scopes: ours is another."""

    @jax.jit
    def inner(w: jax.Array, x: jax.Array) -> jax.Array:
        return dense("inner", w, x)

    def make() -> Any:
        @jax.jit
        def step(w: jax.Array, x: jax.Array) -> jax.Array:
            def loss(w: jax.Array) -> jax.Array:
                with jax.named_scope("outer"):
                    return jnp.sum(inner(w, x) ** 2)

            return w - 0.1 * jax.grad(loss)(w)

        return step

    fresh, used = make(), make()
    expected = sites_of(fresh, W, X)
    inner(W, X)
    jax.jit(inner)(W, X)
    used(W, X)
    assert sites_of(used, W, X) == expected
    assert named(expected[0], "output")["outer/inner"] == "tanh"


def test_an_ambiguous_cotangent_is_not_taken() -> None:
    """The layer's backward part only adds; one of its outputs has no cotangent.

    Two backward arrays of the outputs' shape come in from outside, as many as there
    are outputs, but neither is known to be the cotangent of one.
    """

    def function(w: jax.Array) -> jax.Array:
        v = jnp.sin(w)
        with jax.named_scope("layer"):
            y, constant = v + 1, jnp.outer(X[0], X[1])
        return jnp.sum(jnp.sin(y)) + 2 * jnp.sum(v) + jnp.sum(constant)

    sites, unidentified = sites_of(jax.grad(function), W)
    assert named(sites, "output") == {"layer": "add", "layer[1]": "mul"}
    assert not named(sites, "cotangent")
    # Where the sums stand outside the layer it has no backward part at all.
    assert unidentified <= {"layer"}


def test_a_custom_rule_in_a_differentiated_loop_is_in_its_scope_once() -> None:
    def step(x: jax.Array, _: None) -> tuple[jax.Array, None]:
        with jax.named_scope("layer"):
            return jax.nn.relu(x), None

    def loss(x: jax.Array) -> jax.Array:
        return jax.lax.scan(step, x, None, length=3)[0].sum()

    graph = build_graph(trace(jax.grad(loss), jnp.ones(3)).jaxpr)
    paths = {step.path for step in graph.steps}
    assert ("layer",) in paths
    assert max(map(len, paths)) == 1


def test_a_missing_cotangent_is_named() -> None:
    """Two outputs of one shape, one of them without a cotangent."""

    def function(w: jax.Array) -> jax.Array:
        with jax.named_scope("layer"):
            y, constant = jnp.sin(w), jnp.outer(X[0], X[1])
        return jnp.sum(jnp.sin(y)) + jnp.sum(constant)

    sites, unidentified = sites_of(jax.grad(function), W)
    assert named(sites, "output") == {"layer": "sin", "layer[1]": "mul"}
    assert not named(sites, "cotangent")
    assert unidentified == {"layer"}


# Each program has one scope named "layer" whose single output of shape (4, 3) is
# passed through `mark`, to which a zero is added for the true cotangent.


def skip_connection(w: Any, x: Any, mark: Any) -> Any:
    with jax.named_scope("layer"):
        y = x + jnp.tanh(x @ w)
    return jnp.sum(jnp.sin(mark(y)))


def read_twice(w: Any, x: Any, mark: Any) -> Any:
    with jax.named_scope("layer"):
        y = jnp.sin(x @ w)
    y = mark(y)
    return jnp.sum(y * jnp.cos(y)) + jnp.sum(y**2)


def linear(w: Any, x: Any, mark: Any) -> Any:
    with jax.named_scope("layer"):
        y = x @ w
    return jnp.sum(mark(y))


def weights_of_the_shape(w: Any, x: Any, mark: Any) -> Any:
    """The layer's input, its parameter and its output all have one shape."""
    with jax.named_scope("layer"):
        y = jnp.sin(x * w) * w
    return jnp.sum(mark(y) ** 2 * x)


def read_in_branches(w: Any, x: Any, mark: Any) -> Any:
    with jax.named_scope("layer"):
        y = jnp.tanh(x @ w)
    y = mark(y)
    return jax.lax.cond(x[0, 0] > 0, lambda y: jnp.sum(y**2), lambda y: y[0, 0], y)


def inside_and_outside(w: Any, x: Any, mark: Any) -> Any:
    """The output is read in another scope, in the top level and in a scan."""
    with jax.named_scope("layer"):
        y = jax.nn.softmax(x @ w)
    y = mark(y)
    with jax.named_scope("reader"):
        z = jnp.exp(y)
    total, _ = jax.lax.scan(lambda c, row: (c + y[0] * row, None), y[1], x)
    return jnp.sum(z * y) + jnp.sum(total)


PROGRAMS = (
    skip_connection,
    read_twice,
    linear,
    weights_of_the_shape,
    read_in_branches,
    inside_and_outside,
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_cotangents_are_true_or_not_identified(program: Any) -> None:
    """Never a wrong number, whatever reads the output."""
    w = np.resize(W, X.shape) if program is weights_of_the_shape else W

    def true(zero: Any) -> Any:
        return program(w, X, lambda y: y + zero)

    def everything(w: Any) -> Any:
        gradient = jax.grad(lambda w: program(w, X, lambda y: y))
        return probe(gradient, statistics=())(w)[1], jax.grad(true)(jnp.zeros_like(X))

    statistics, wanted = jax.jit(everything)(w)
    names = {site.name for site in statistics.sites if site.kind == "cotangent"}
    unidentified = {"/".join(path) for path, _ in statistics.layout.unidentified}
    assert names | unidentified >= {"layer"}
    if "layer" not in unidentified:
        numbers = statistics.summary("layer", "cotangent")
        wanted = np.asarray(wanted, np.float64)
        rms = np.sqrt((wanted**2).mean())
        np.testing.assert_allclose(numbers["rms"], rms, rtol=1e-5)
