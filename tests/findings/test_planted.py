"""Planted faults are found at the right layer, and their healthy twins are silent."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdebug.statistics.summary import summarize_array
from tests.findings.planted import PLANTED, findings_of
from tests.findings.summaries import codes, site

QUICK = ("8 layers of sigmoid", "a large negative bias", "zero weights")
SEEDS = 20


def detected(name: str, seed: int) -> bool:
    """Whether the fault's code is a warning or worse, and the first at its place."""
    fault = PLANTED[name]
    first = next((f for f in findings_of(name, seed) if f.code == fault.code), None)
    return (
        first is not None
        and first.severity != "info"
        and first.where.endswith(fault.where)
    )


def quiet(name: str, seed: int) -> bool:
    """Whether the model without the fault raises nothing above info."""
    return all(f.severity == "info" for f in findings_of(name, seed, faulty=False))


@pytest.mark.parametrize("name", QUICK)
def test_a_planted_fault(name: str) -> None:
    assert detected(name, seed=100)


def test_a_healthy_twin() -> None:
    assert quiet(QUICK[1], seed=100)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_planted_faults(name: str) -> None:
    assert sum(detected(name, seed) for seed in range(SEEDS)) >= 0.95 * SEEDS
    assert all(quiet(name, seed) for seed in range(SEEDS))


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
