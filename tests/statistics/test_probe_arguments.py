"""What the probe refuses, and under which names it reports."""

import jax
import jax.numpy as jnp
import pytest

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
