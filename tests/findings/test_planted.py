"""Planted faults are found at the right layer, and their healthy twins are silent."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdebug.statistics.summary import summarize_array
from tests.findings.planted import PLANTED, detected, quiet
from tests.findings.summaries import codes, site

SEEDS = (100,)
"""A slice; `python -m benchmarks findings` takes every fault at 20 seeds."""


@pytest.mark.slow
@pytest.mark.parametrize("name", list(PLANTED)[::7])
def test_planted_faults(name: str) -> None:
    assert all(detected(name, seed) for seed in SEEDS)
    assert all(quiet(name, seed) for seed in SEEDS)


@pytest.mark.parametrize(
    ("dtype", "rate", "severity"),
    [
        (jnp.bfloat16, 1e-5, "warning"),
        (jnp.bfloat16, 1e-2, None),
        (jnp.float32, 1e-5, None),
        (jnp.float32, 1e-10, "info"),
    ],
)
def test_updates_of_adam_in_each_precision(
    dtype: object, rate: float, severity: str | None
) -> None:
    random = np.random.default_rng(0)
    old = jnp.asarray(random.standard_normal((32, 32)) / 6, dtype)
    gradient = jnp.asarray(random.standard_normal((32, 32)), dtype)
    adam = optax.adam(rate)
    delta, _ = adam.update(gradient, adam.init(old))
    new = optax.apply_updates(old, delta)
    numbers = summarize_array(np.asarray(new - old).astype(np.float32))
    lost = np.asarray((new == old) & (delta != 0)).sum()
    update = site("Dense_0/kernel", "update", (32, 32), dtype=str(old.dtype))
    found = {} if severity is None else {"lost-update:Dense_0/kernel": severity}
    assert codes([(update, {**numbers, "lost": lost})]) == found
