"""Evaluation beside training: planted mistakes and healthy twins."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdebug as jd
from jaxdebug.checks.contracts.evaluation_averages import evaluation_averages
from jaxdebug.checks.learning.evaluation_agrees import evaluation_agrees
from jaxdebug.checks.learning.overfitting import overfitting
from jaxdebug.checks.outcome import CannotRun
from jaxdebug.checks.sanity.evaluation_data import evaluation_data
from jaxdebug.checks.subject import Subject
from jaxdebug.reports import Verdict
from tests.checks.small_workloads import blobs, classifier, codes, loss_fn, predict


def normalised(evaluated: str, total: bool = False) -> jd.Workload:
    """Inputs less a running mean, or that of the batch.

    Args:
        evaluated: which of the two evaluation takes.
        total: whether the loss is a sum.
    """

    def loss(params: Any, batch: Any, mean: Any, mode: str = "batch") -> Any:
        own = batch[0].mean(0)
        centred = batch[0] - (own if mode == "batch" else mean)
        value = loss_fn(params, (centred, batch[1]))
        scale = batch[0].shape[0] if total else 1
        return scale * value, 0.9 * mean + 0.1 * own

    return classifier(
        loss_fn=loss,
        eval_loss_fn=lambda *args: loss(*args, mode=evaluated),
        has_aux=True,
        extra=(jnp.zeros(4),),
        next_extra=lambda extra, aux, step: (aux,),
    )


def test_batches_that_change_little_are_found() -> None:
    def loss(params: Any, batch: Any, mean: Any) -> Any:
        own = batch[0].mean(0)
        value = loss_fn(params, (batch[0] - 0.1 * own, batch[1]))
        return value, 0.9 * mean + 0.1 * own

    workload = classifier(
        loss_fn=loss,
        eval_loss_fn=loss,
        has_aux=True,
        extra=(jnp.zeros(4),),
        next_extra=lambda extra, aux, step: (aux,),
    )
    assert codes(evaluation_averages(Subject(workload))) == ["unused-averages"]


@pytest.mark.parametrize("total", [False, True])
def test_evaluation_by_batch_statistics_is_found(total: bool) -> None:
    wrong = evaluation_averages(Subject(normalised("batch", total)))
    assert codes(wrong) == ["unused-averages"]
    assert not codes(evaluation_averages(Subject(normalised("running", total))))


@pytest.mark.parametrize("weighted", [False, True])
def test_averages_for_a_log_need_not_be_used(weighted: bool) -> None:
    def loss(params: Any, batch: Any, kept: Any) -> Any:
        each = optax.softmax_cross_entropy_with_integer_labels(
            predict(params, batch), batch[1]
        )
        weights = jnp.exp(batch[0][:, 0]) if weighted else None
        value = jnp.average(each, weights=weights)
        return value, 0.9 * kept + 0.1 * value

    workload = classifier(
        loss_fn=loss,
        eval_loss_fn=loss,
        has_aux=True,
        extra=(jnp.float32(0),),
        next_extra=lambda extra, aux, step: (aux,),
    )
    assert evaluation_averages(Subject(workload)).word == Verdict.PASS
    with pytest.raises(CannotRun, match="batch statistics; found none"):
        evaluation_averages(Subject(classifier(eval_loss_fn=loss_fn)))


@pytest.mark.slow
def test_evaluation_of_other_parameters_is_found() -> None:
    first = classifier().params

    def other(params: Any, batch: Any) -> jax.Array:
        return loss_fn(first, batch)

    outcome = evaluation_agrees(Subject(classifier(eval_loss_fn=other)))
    assert codes(outcome) == ["evaluation-apart"]
    healthy = evaluation_agrees(Subject(classifier(eval_loss_fn=loss_fn)))
    assert healthy.word == Verdict.PASS


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("stored", []),
        ("shuffled", []),
        ("fresh", []),
        ("augmented", ["unsteady-evaluation"]),
    ],
)
def test_augmentation_in_evaluation_is_found(kind: str, found: list[str]) -> None:
    random = np.random.default_rng(0)
    seeds = iter(range(100))

    def batches() -> Any:
        kept = blobs(next(seeds) if kind == "fresh" else 0)
        if kind == "shuffled":
            kept = [kept[at] for at in random.permutation(len(kept))]
        for x, y in kept:
            noise = random.normal(size=x.shape) if kind == "augmented" else 0.0
            yield (x + noise).astype(np.float32), y

    outcome = evaluation_data(Subject(classifier(eval=batches)))
    assert codes(outcome) == found, outcome.said


def test_what_is_learned_by_heart_and_unlearned_is_found() -> None:
    few, others = blobs(3, noise=1.0)[:1], blobs(4, noise=1.0)
    hasty = classifier(train=few, eval=others, optimizer=optax.adam(0.1))
    assert codes(overfitting(Subject(hasty))) == ["overfits-soon"]
    assert not codes(overfitting(Subject(classifier())))
