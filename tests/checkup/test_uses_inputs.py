"""Inputs of which the gradient knows nothing, and small ones."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax

from jaxdebug.checks.sanity.uses_inputs import uses_inputs
from jaxdebug.checks.subject import Subject
from tests.checks.small_workloads import classifier, predict


def test_inputs_that_leave_no_trace_are_found() -> None:
    params = classifier().params
    small = jax.tree.map(lambda leaf: 1e-7 * leaf, params)
    biased = {**small, "c": np.zeros(3, np.float32)}

    def loss(params: Any, batch: Any) -> jax.Array:
        logits = predict(params, batch) + params["c"]
        each = optax.softmax_cross_entropy_with_integer_labels(logits, batch[1])
        return each.mean()

    outcome = uses_inputs(Subject(classifier(loss_fn=loss, params=biased)))
    (finding,) = outcome.findings
    assert finding.code == "unused-inputs"
    last = {**params, "v": 0 * params["v"]}
    for healthy in (classifier(), classifier(params=last)):
        assert not uses_inputs(Subject(healthy)).findings
