"""The zoo itself is sound: what the tools are tested on trains without them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.slow import quick_cases
from tests.zoo import PROGRAMS


def _all_finite(tree) -> bool:
    inexact = (
        np.asarray(leaf, np.complex128)
        for leaf in jax.tree.leaves(tree)
        if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)
    )
    return all(np.isfinite(leaf).all() for leaf in inexact)


def _equal(old, new) -> bool:
    if jnp.issubdtype(jnp.result_type(old), jax.dtypes.prng_key):
        return True
    return np.array_equal(old, new)


@pytest.mark.parametrize("name", quick_cases(PROGRAMS, [], slice_of=10))
def test_program_trains(name):
    """Loss, gradient and two steps are finite, and the parameters move."""
    program = PROGRAMS[name]()
    assert program.name == name
    gradient = jax.value_and_grad(program.loss_fn, has_aux=program.has_aux)

    # Compiled together, which takes half the time of compiling one after the other.
    @jax.jit
    def gradient_and_step(params, batch, extra, state):
        return gradient(params, batch, *extra), program.train_step(state, batch)

    state, metrics = program.state, []
    for _ in range(2):
        (value, grads), (state, metric) = gradient_and_step(
            program.params, program.batch, program.extra, state
        )
        metrics.append(metric)

    loss = value[0] if program.has_aux else value
    assert loss.shape == ()
    assert jax.tree.structure(grads) == jax.tree.structure(program.params)
    assert _all_finite((loss, grads, metrics, state))
    assert any(np.any(np.asarray(leaf)) for leaf in jax.tree.leaves(grads))
    old, new = jax.tree.leaves(program.state), jax.tree.leaves(state)
    assert not all(map(_equal, old, new))


def test_no_generator_is_shared():
    """A program has the same values whatever was made before it."""
    modules = {maker.__globals__["__name__"]: maker for maker in PROGRAMS.values()}
    assert len(modules) > 5
    shared = [
        f"{module}.{name}"
        for module, maker in modules.items()
        for name, value in maker.__globals__.items()
        if isinstance(value, np.random.Generator | np.random.RandomState)
    ]
    assert not shared


def test_donated_step_deletes_its_state():
    """The donated program is one: the buffers of the old state are gone."""
    program = PROGRAMS["donated"]()
    program.train_step(program.state, program.batch)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(program.state[0]))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(program.params))


def test_sharded_programs_have_eight_devices():
    """Sharded programs are spread over devices, not run on one."""
    batch = PROGRAMS["sharded_jit"]().batch
    assert len(batch["x"].sharding.device_set) == 8


@pytest.mark.parametrize("other", ["shard_map_checked", "shard_map_unchecked"])
def test_shard_map_equals_jit(other):
    """Both ways of writing data parallelism move the parameters alike."""
    expected, got = (PROGRAMS[n]() for n in ("sharded_jit", other))
    (expected_params, _), _ = expected.train_step(expected.state, expected.batch)
    (params, _), _ = got.train_step(got.state, got.batch)
    for leaf, want in zip(
        jax.tree.leaves(params), jax.tree.leaves(expected_params), strict=True
    ):
        np.testing.assert_allclose(leaf, want, rtol=1e-5)
