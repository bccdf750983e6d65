"""Causal models that look ahead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from jaxdebug.checks.outcome import CannotRun
from jaxdebug.checks.sanity.time_leakage import time_leakage
from jaxdebug.checks.subject import Subject
from jaxdebug.checks.workload import batches_of
from tests.checks.small_workloads import codes

TIMES, WIDTH = 6, 4


def sequence_workload(ahead: int, declare: tuple[str, ...]) -> jd.Workload:
    def output(params: Any, batch: Any) -> jax.Array:
        x = batch[0] @ params["w"]
        seen = jnp.tril(jnp.ones((TIMES, TIMES)), ahead)
        scores = jnp.where(seen > 0, x @ jnp.swapaxes(x, 1, 2), -jnp.inf)
        return jax.nn.softmax(scores) @ x

    def loss(params: Any, batch: Any) -> jax.Array:
        return jnp.mean((output(params, batch) - batch[1]) ** 2)

    random = np.random.default_rng(0)
    x = random.normal(size=(2, 3, TIMES, WIDTH)).astype(np.float32)
    return jd.Workload(
        loss_fn=loss,
        params={"w": random.normal(size=(WIDTH, WIDTH)).astype(np.float32)},
        train=[(one, np.roll(one, -1, 1)) for one in x],
        predict_fn=output,
        declare=declare,
    )


@pytest.mark.parametrize(("ahead", "found"), [(0, []), (1, ["looks-ahead"])])
def test_a_mask_that_is_off_by_one_looks_ahead(ahead: int, found: list[str]) -> None:
    outcome = time_leakage(Subject(sequence_workload(ahead, ("causal",))))
    assert codes(outcome) == found
    if found:
        assert "depends on the inputs from position" in outcome.findings[0].message


@pytest.mark.parametrize("every", [False, True])
def test_positions_that_do_not_count_may_look_at_anything(every: bool) -> None:
    """Of a row that is padded at its start, the softmax over nothing is uniform."""
    base = sequence_workload(0, ("causal",))
    counts = np.arange(TIMES) >= np.array([[0], [2], [3]])

    def output(params: Any, batch: Any) -> jax.Array:
        x = batch["x"] @ params["w"]
        seen = jnp.tril(jnp.ones((TIMES, TIMES), bool)) & batch["counts"][:, None]
        scores = jnp.where(seen, x @ jnp.swapaxes(x, 1, 2), -1e9)
        return jax.nn.softmax(scores) @ x

    train = [{"x": x, "y": y, "counts": counts} for x, y in batches_of(base, "train")]
    padded = replace(
        base,
        train=train,
        predict_fn=output,
        loss_fn=lambda p, b: jnp.mean((output(p, b) - b["y"]) ** 2),
        inputs="x",
        targets="y",
        mask=None if every else "counts",
    )
    assert codes(time_leakage(Subject(padded))) == ["looks-ahead"] * every


def test_what_is_not_declared_causal_may_look_ahead() -> None:
    with pytest.raises(CannotRun, match="causal"):
        time_leakage(Subject(sequence_workload(1, ())))
