"""A loss that is cut off where it is large, and losses that are not."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest

from jaxdebug.checks.sanity.clipped_loss import clipped_loss
from jaxdebug.checks.subject import Subject
from tests.checks.small_workloads import classifier, predict


@pytest.mark.parametrize(
    ("each", "found"),
    [
        (lambda losses: losses, []),
        (lambda losses: jnp.minimum(losses, 1.0), ["clipped-loss"]),
        (lambda losses: jax.nn.relu(losses - 1.0), []),
        (lambda losses: losses * (losses > 1.0), []),
        (lambda losses: optax.huber_loss(losses, delta=0.5), []),
    ],
    ids=["whole", "clipped", "hinge", "chosen", "huber"],
)
def test_a_loss_that_is_cut_off_is_found(each: Any, found: list[str]) -> None:
    def loss(params: Any, batch: Any) -> jax.Array:
        logits = predict(params, batch)
        terms = optax.softmax_cross_entropy_with_integer_labels(logits, batch[1])
        return each(terms).mean()

    outcome = clipped_loss(Subject(classifier(loss_fn=loss)))
    assert [one.code for one in outcome.findings] == found, outcome.said


def test_losses_that_are_all_one_are_not_cut_off() -> None:
    def loss(params: Any, batch: Any) -> jax.Array:
        # Of counts: at rates of 1, an example with a count of 1 has no gradient.
        logs = batch[0] @ params["w"]
        return (jnp.exp(logs) - batch[1] * logs).mean()

    params = {"w": jnp.zeros(4)}
    outcome = clipped_loss(Subject(classifier(loss_fn=loss, params=params)))
    assert not outcome.findings
    assert "0 of" not in outcome.said
