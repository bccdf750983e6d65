"""The loss before any step: recognised by its value, and far only where it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdebug.checks.outcome import CannotRun
from jaxdebug.checks.sanity.initial_loss import initial_loss
from jaxdebug.checks.sanity.known_losses import recognise
from jaxdebug.checks.sanity.reachable_targets import reachable_targets
from jaxdebug.checks.subject import Subject
from tests.checks.small_workloads import blobs, classifier, codes, loss_fn, predict


def test_inputs_that_are_not_scaled_and_two_softmaxes_begin_far() -> None:
    scaled = classifier(train=[(255 * x, y) for x, y in blobs()])
    assert codes(initial_loss(Subject(scaled))) == ["far-initial-loss"]


@pytest.mark.parametrize(("scale", "found"), [(1.0, []), (300.0, ["far-initial-loss"])])
def test_targets_that_are_not_scaled_begin_far(scale: float, found: list[str]) -> None:
    def output(params: Any, batch: Any) -> jax.Array:
        return predict(params, batch)[:, 0]

    def loss(params: Any, batch: Any) -> jax.Array:
        return jnp.mean((output(params, batch) - batch[1]) ** 2)

    train = [(x, scale * x.sum(1) / 2) for x, _ in blobs()]
    workload = classifier(loss_fn=loss, predict_fn=output, train=train)
    assert codes(initial_loss(Subject(workload))) == found


def test_outputs_that_begin_small_are_not_far_from_scaled_targets() -> None:
    def output(params: Any, batch: Any) -> jax.Array:
        return 1e-3 * predict(params, batch)[:, 0]

    def loss(params: Any, batch: Any) -> jax.Array:
        return jnp.mean((output(params, batch) - batch[1]) ** 2)

    train = [(x, x.sum(1) / 2) for x, _ in blobs()]
    workload = classifier(loss_fn=loss, predict_fn=output, train=train)
    assert not initial_loss(Subject(workload)).findings


@pytest.mark.parametrize(("scale", "found"), [(1.0, []), (300.0, ["far-initial-loss"])])
def test_batches_of_one_are_taken_together(scale: float, found: list[str]) -> None:
    def loss(params: Any, batch: Any) -> jax.Array:
        return jnp.sum((predict(params, batch)[:, 0] - batch[1]) ** 2)

    x = np.concatenate([one for one, _ in blobs()])
    train = [(row[None], scale * row[None].sum(1) / 2) for row in x]
    workload = classifier(
        loss_fn=loss, predict_fn=lambda p, b: predict(p, b)[:, 0], train=train
    )
    assert codes(initial_loss(Subject(workload))) == found


def test_a_loss_of_another_form_is_not_judged() -> None:
    def loss(params: Any, batch: Any) -> jax.Array:
        return loss_fn(params, batch) ** 3 + 17.0

    with pytest.raises(CannotRun, match="none whose best constant is known"):
        initial_loss(Subject(classifier(loss_fn=loss)))


RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(5, 7, 3)).astype(np.float32)
ONE_OF = RANDOM.integers(3, size=(5, 7)).astype(np.int32)
HOT = np.eye(3, dtype=np.float32)[ONE_OF]


@pytest.mark.parametrize("over", ["mean", "sum", "rows"])
@pytest.mark.parametrize(
    ("form", "terms", "targets"),
    [
        (
            "cross entropy",
            optax.softmax_cross_entropy_with_integer_labels(LOGITS, ONE_OF),
            ONE_OF,
        ),
        (
            "cross entropy with probabilities",
            optax.softmax_cross_entropy(LOGITS, HOT),
            HOT,
        ),
        (
            "sigmoid cross entropy",
            optax.sigmoid_binary_cross_entropy(LOGITS, LOGITS > 0),
            LOGITS > 0,
        ),
        ("squared error", optax.squared_error(LOGITS, 3 * LOGITS), 3 * LOGITS),
        ("squared error", optax.l2_loss(LOGITS, 3 * LOGITS), 3 * LOGITS),
        ("absolute error", jnp.abs(LOGITS - 2 * LOGITS), 2 * LOGITS),
    ],
)
def test_a_loss_is_recognised_by_its_value(
    form: str, terms: Any, targets: Any, over: str
) -> None:
    each = np.asarray(terms, np.float64)
    value = {"mean": each.mean(), "sum": each.sum(), "rows": each.sum() / 5}[over]
    known = recognise(float(value), LOGITS, np.asarray(targets))
    assert known is not None
    assert known.form == form
    assert recognise(float(value) * 1.37, LOGITS, np.asarray(targets)) is None


def test_squared_errors_of_class_numbers_are_recognised() -> None:
    def loss(params: Any, batch: Any) -> jax.Array:
        hot = jax.nn.one_hot(batch[1], 3)
        return jnp.mean((predict(params, batch) - hot) ** 2)

    outcome = reachable_targets(Subject(classifier(loss_fn=loss)))
    assert codes(outcome) == ["squared-error-of-classes"]
    assert outcome.said.startswith("targets from 0 to 1")


def test_running_averages_of_no_batch_yet_are_no_far_loss() -> None:
    train = [(1000 * x, y) for x, y in blobs()]

    def output(params: Any, batch: Any, scale: Any) -> jax.Array:
        return predict(params, (batch[0] / scale, batch[1]))

    def evaluation(params: Any, batch: Any, scale: Any) -> Any:
        logits = output(params, batch, scale)
        each = optax.softmax_cross_entropy_with_integer_labels(logits, batch[1])
        return each.mean(), scale

    def loss(params: Any, batch: Any, scale: Any) -> Any:
        own = jnp.std(batch[0])
        return evaluation(params, batch, own)[0], 0.9 * scale + 0.1 * own

    workload = classifier(
        loss_fn=loss,
        eval_loss_fn=evaluation,
        predict_fn=output,
        has_aux=True,
        extra=(jnp.float32(1),),
        train=train,
    )
    assert codes(initial_loss(Subject(workload))) == ["far-initial-loss"]
    kept = replace(workload, next_extra=lambda extra, aux, step: (aux,))
    assert not codes(initial_loss(Subject(kept)))
