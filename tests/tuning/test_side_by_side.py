"""Trainings side by side are the trainings one by one."""

from __future__ import annotations

import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

from jaxdebug import Workload
from jaxdebug.tuning import side_by_side
from jaxdebug.tuning.side_by_side import Form, blocks, form_of
from jaxdebug.tuning.sweep import sweep
from tests.tuning.small_line import line, loss_after

RATES = [0.01, 0.1, 0.3]


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 30))
def test_blocks_hold_every_training_and_no_other(
    settings: int, seeds: int, most: int
) -> None:
    form = form_of(settings, seeds, most)
    assert 1 <= form.count <= most
    held = {
        (int(one), int(seed))
        for block in blocks(settings, seeds, form)
        for one in block.settings
        for seed in block.seeds
    }
    assert held == {(one, seed) for one in range(settings) for seed in range(seeds)}


def test_a_training_is_that_of_its_setting_and_seed() -> None:
    starts = [0.0, 2.0, -1.0]
    found = sweep(
        line(),
        {"learning_rate": RATES},
        steps=5,
        seeds=[0, 1, 2],
        optimizer=optax.sgd,
        init=lambda key: jnp.asarray(starts)[jax.random.key_data(key)[-1]],
    )
    expected = [[loss_after(rate, 5, start) for start in starts] for rate in RATES]
    np.testing.assert_allclose(found.evaluated, expected, rtol=1e-4)
    np.testing.assert_allclose(found.before, [loss_after(0, 0, w) for w in starts])
    third = [[loss_after(rate, 2, start) for start in starts] for rate in RATES]
    np.testing.assert_allclose(found.losses[:, :, 2], third, rtol=1e-4)


def _image_workload() -> Workload:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(2, 3, 1, 4, 4)).astype(np.float32)
    kernel = draw.normal(size=(2, 1, 2, 2)).astype(np.float32)

    def loss_fn(kernel: Any, batch: Any) -> Any:
        out = jax.lax.conv(batch, kernel, (1, 1), "VALID")
        return (jnp.tanh(out) ** 2).mean()

    return Workload(loss_fn=loss_fn, params=kernel, train=[*x])


def test_a_loop_of_steps_gives_what_a_scan_gives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workload, asked = _image_workload(), {"learning_rate": [0.01, 0.1]}
    stepped = sweep(workload, asked, steps=3, seeds=2, optimizer=optax.sgd)
    assert stepped.cost["at once"] == 1
    monkeypatch.setattr(side_by_side, "_stepped", side_by_side._whole)
    whole = sweep(workload, asked, steps=3, seeds=2, optimizer=optax.sgd)
    np.testing.assert_allclose(stepped.losses, whole.losses, rtol=1e-4)
    np.testing.assert_allclose(stepped.evaluated, whole.evaluated, rtol=1e-4)


@pytest.mark.slow
def test_a_module_with_averages_and_keys_is_trained_and_left_as_it_is() -> None:
    class Net(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.inner = nnx.Linear(3, 4, rngs=rngs)
            self.norm = nnx.BatchNorm(4, rngs=rngs)
            self.dropout = nnx.Dropout(0.2, rngs=rngs)

        def __call__(self, x: jax.Array) -> jax.Array:
            return self.dropout(self.norm(self.inner(x)))

    net = Net(nnx.Rngs(0))
    before = jax.tree.map(np.array, nnx.to_pure_dict(nnx.state(net, nnx.BatchStat)))
    x = np.random.default_rng(0).normal(size=(2, 8, 3)).astype(np.float32)
    workload = Workload(
        loss_fn=lambda net, batch: (net(batch) ** 2).mean(), params=net, train=[*x]
    )
    found = sweep(workload, {"learning_rate": [0.0, 0.1]}, steps=6, optimizer=optax.sgd)
    assert found.best == {"learning_rate": pytest.approx(0.1)}
    after = nnx.to_pure_dict(nnx.state(net, nnx.BatchStat))
    jax.tree.map(np.testing.assert_array_equal, before, after)
    # Dropout draws anew at each step, also where the rate is zero.
    assert len({*found.losses[0, 0]}) == 6


@pytest.mark.slow
def test_fewer_run_at_once_where_memory_is_short() -> None:
    asked = {"learning_rate": np.linspace(0.01, 0.4, 64)}
    wide = Workload(
        loss_fn=lambda w, batch: jnp.sin(w * batch).sum(),
        params=np.zeros(10_000, np.float32),
        train=[np.ones(10_000, np.float32)] * 2,
    )
    every = sweep(wide, asked, steps=2, optimizer=optax.adam)
    some = 500_000 * (os.cpu_count() or 1)
    small = sweep(wide, asked, steps=2, optimizer=optax.adam, memory=some)
    assert small.cost["at once"] < every.cost["at once"]
    np.testing.assert_array_equal(small.evaluated, every.evaluated)
    with pytest.raises(MemoryError, match="expected a training to take at most"):
        sweep(wide, asked, steps=2, optimizer=optax.adam, memory=1000)


def test_a_form_of_one_training_is_always_there() -> None:
    assert form_of(5, 3, 1) == Form(1, 1)
