"""Inputs of which the gradient knows nothing, and small ones."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdebug.checks.sanity.uses_inputs import uses_inputs
from jaxdebug.checks.subject import Subject
from jaxdebug.reports import Verdict
from tests.checks.small_workloads import blobs, classifier, predict


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


@pytest.mark.parametrize(("used", "found"), [(1.0, []), (0.0, ["unused-inputs"])])
def test_inputs_that_are_faint_beside_another_term_are_told_from_unused(
    used: float, found: list[str]
) -> None:
    """As a residual, which is small until the boundary values are learned."""

    def loss(params: Any, batch: Any) -> jax.Array:
        x, edge = batch["inside"], batch["edge"]
        value = jnp.mean((params["a"] - edge) ** 2) * 1e4
        return value + used * jnp.mean((params["w"] * params["a"] * x.sum(1) - 1) ** 2)

    params = {"a": np.zeros((), np.float32), "w": np.ones((), np.float32)}
    train = [{"inside": x, "edge": np.ones(16, np.float32)} for x, _ in blobs()]
    workload = classifier(loss_fn=loss, params=params, train=train, inputs="inside")
    outcome = uses_inputs(Subject(workload))
    assert [one.code for one in outcome.findings] == found


def test_inputs_of_zero_that_make_nan_are_used() -> None:
    def loss(params: Any, batch: Any) -> jax.Array:
        hidden = batch[0] @ params["w"]
        unit = hidden / jnp.linalg.norm(hidden, axis=-1, keepdims=True)
        return jnp.mean((unit.sum(-1) - batch[1]) ** 2)

    outcome = uses_inputs(Subject(classifier(loss_fn=loss, predict_fn=None)))
    assert outcome.word == Verdict.PASS
