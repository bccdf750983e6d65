"""Parameters as an `nnx.State`, which `nnx.split` gives."""

from __future__ import annotations

from typing import Any

import jax
import optax
from flax import nnx

import jaxdebug as jd
from jaxdebug.reports import Verdict
from tests.checks.small_workloads import blobs


def test_a_state_is_examined_as_any_other_parameters() -> None:
    graph, params = nnx.split(nnx.Linear(4, 3, rngs=nnx.Rngs(0)))

    def loss(params: Any, batch: Any) -> jax.Array:
        logits = nnx.merge(graph, params)(batch[0])
        each = optax.softmax_cross_entropy_with_integer_labels(logits, batch[1])
        return each.mean()

    workload = jd.Workload(
        loss_fn=loss, params=params, train=blobs(), optimizer=optax.adamw(1e-2)
    )
    report = jd.checkup(workload, only=["weight-decay", "loss-falls", "clipping"])
    assert [one.verdict for one in report.outcomes] == [Verdict.PASS] * 3
