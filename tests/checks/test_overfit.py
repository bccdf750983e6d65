"""What is learned by heart: which example, which loss, and beside what."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdebug.checks.learning.overfit import overfit_one_batch, overfit_one_example
from jaxdebug.checks.outcome import CannotRun
from jaxdebug.checks.subject import Subject
from jaxdebug.reports import Verdict
from tests.checks.small_workloads import blobs, classifier, predict


def test_an_example_that_is_near_its_floor_is_passed_over() -> None:
    """Of a Poisson count of one the loss is never below one, where it begins."""

    def loss(params: Any, batch: Any) -> jax.Array:
        rate = batch[0] @ params["w"][:, 0]
        return jnp.mean(jnp.exp(rate) - batch[1] * rate)

    params = {"w": np.zeros((4, 1), np.float32)}
    counts = np.array([1.0] + [5.0] * 15, np.float32)
    train = [(np.abs(x), counts) for x, _ in blobs()]
    healthy = classifier(loss_fn=loss, params=params, train=train, predict_fn=None)
    assert overfit_one_example(Subject(healthy)).word == Verdict.PASS


@pytest.mark.slow
def test_examples_that_a_loss_compares_are_not_learned_alone() -> None:
    def contrastive(params: Any, batch: Any) -> jax.Array:
        logits = predict(params, batch) @ predict(params, batch).T
        same = jnp.arange(len(logits))
        return optax.softmax_cross_entropy_with_integer_labels(logits, same).mean()

    def frozen(params: Any, batch: Any) -> jax.Array:
        return jnp.mean((batch[0].sum(1) + 0 * params["w"].sum()) ** 2)

    with pytest.raises(CannotRun, match="compares the examples"):
        overfit_one_example(Subject(classifier(loss_fn=contrastive)))
    outcome = overfit_one_example(Subject(classifier(loss_fn=frozen)))
    assert [one.code for one in outcome.findings] == ["cannot-overfit"]


def test_an_example_that_has_nothing_to_learn_is_passed_over() -> None:
    def hinge(params: Any, batch: Any, least: float = 0.0) -> jax.Array:
        counts = jnp.arange(len(batch[1])) * 0 + (batch[1] > 0)
        each = jnp.maximum(predict(params, batch)[:, 0] + 1.0, least)
        return jnp.mean(counts * each)

    train = [(x, np.where(np.arange(16) < 3, 0, y + 1)) for x, y in blobs()]
    healthy = classifier(loss_fn=hinge, train=train)
    assert overfit_one_example(Subject(healthy)).word == Verdict.PASS
    none = classifier(loss_fn=hinge, train=[(x, 0 * y) for x, y in blobs()])
    with pytest.raises(CannotRun, match="none to learn"):
        overfit_one_example(Subject(none))


@pytest.mark.parametrize(("factor", "word"), [(1.0, "pass"), (0.0, "fail")])
def test_targets_that_are_the_inputs_are_not_compared_with_zeros(
    factor: float, word: str
) -> None:
    def rebuilt(params: Any, batch: Any) -> jax.Array:
        hidden = jnp.tanh(batch["x"] @ params["w"]) @ params["w"].T
        return jnp.mean((factor * hidden - batch["x"]) ** 2)

    workload = classifier(
        loss_fn=rebuilt,
        predict_fn=None,
        train=[{"x": x} for x, _ in blobs()],
        eval=None,
        inputs="x",
        targets="x",
    )
    assert overfit_one_batch(Subject(workload)).word == word
