"""Schedules that end too soon, and optimisers that only look like it."""

from __future__ import annotations

import optax
import pytest

from jaxdebug.checks.learning.schedule import schedule
from jaxdebug.checks.subject import Subject
from tests.checks.small_workloads import BATCHES, classifier


@pytest.mark.parametrize(
    ("optimizer", "found"),
    [
        (optax.adam(optax.cosine_decay_schedule(0.03, 5)), ["steps-end-early"]),
        (optax.sgd(optax.linear_schedule(0.3, 0.0, 12)), ["steps-end-early"]),
        (optax.adam(optax.cosine_decay_schedule(0.03, BATCHES)), []),
        (optax.adam(optax.cosine_decay_schedule(0.03, 5, alpha=0.01)), []),
        (optax.sgd(optax.exponential_decay(0.3, 5, 0.5)), []),
        (optax.MultiSteps(optax.adam(0.03), 16), []),
        (
            optax.chain(optax.sgd(0.3), optax.contrib.reduce_on_plateau(patience=1)),
            [],
        ),
        (optax.set_to_zero(), []),
    ],
    ids=["cosine", "linear", "one pass", "floor", "halved", "gathered", "plateau", "0"],
)
def test_steps_that_end_in_the_first_pass_are_found(
    optimizer: optax.GradientTransformation, found: list[str]
) -> None:
    outcome = schedule(Subject(classifier(optimizer=optimizer)))
    assert [one.code for one in outcome.findings] == found, outcome.said
