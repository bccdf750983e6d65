"""What the probe refuses, and under which names it reports."""

import jax
import jax.numpy as jnp
import optax
import pytest
from flax import nnx

from jaxdebug.statistics.probe import probe


def test_a_step_that_changes_objects_in_place_is_refused() -> None:
    """Else its update would be lost; the split twin is probed."""
    model = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.sgd(0.1), wrt=nnx.Param)

    @nnx.jit
    def step(model: nnx.Linear, optimizer: nnx.Optimizer, x: jax.Array) -> jax.Array:
        loss, gradient = nnx.value_and_grad(lambda m, x: (m(x) ** 2).mean())(model, x)
        optimizer.update(model, gradient)
        return loss

    with pytest.raises(TypeError, match="in place: 0/bias, 0/kernel"):
        probe(step)(model, optimizer, jnp.ones((4, 3)))

    graph, state = nnx.split((model, optimizer))

    def pure(state: nnx.State, x: jax.Array) -> tuple[nnx.State, jax.Array]:
        model, optimizer = nnx.merge(graph, state)
        loss = step(model, optimizer, x)
        return nnx.state((model, optimizer)), loss

    (new, _), _ = jax.jit(probe(pure))(state, jnp.ones((4, 3)))
    before, after = jax.tree.leaves(state), jax.tree.leaves(new)
    assert any((a != b).any() for a, b in zip(before, after, strict=True))


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
