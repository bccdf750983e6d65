"""What a loss should do whatever was learned: planted mistakes and healthy twins."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdebug as jd
from jaxdebug.checks.outcome import CannotRun
from jaxdebug.checks.sanity.independent_examples import independent_examples
from jaxdebug.checks.sanity.initial_loss import initial_loss
from jaxdebug.checks.sanity.padding import padding
from jaxdebug.checks.sanity.reachable_targets import reachable_targets
from jaxdebug.checks.sanity.reduction import reduction
from jaxdebug.checks.sanity.regulariser import regulariser
from jaxdebug.checks.subject import Subject
from jaxdebug.reports import Verdict
from tests.checks.small_workloads import blobs, classifier, codes, loss_fn, predict

TIMES, WIDTH = 6, 4


@pytest.fixture(scope="module")
def healthy() -> Subject:
    return Subject(classifier())


@pytest.mark.parametrize("check", [initial_loss, reduction, independent_examples])
def test_a_healthy_model_passes(healthy: Subject, check: Any) -> None:
    outcome = check(healthy)
    assert outcome.word == Verdict.PASS, outcome.said


def with_predict(function: Any) -> jd.Workload:
    def loss(params: Any, batch: Any) -> jax.Array:
        logits = function(params, batch)
        each = optax.softmax_cross_entropy_with_integer_labels(logits, batch[1])
        return each.mean()

    return classifier(predict_fn=function, loss_fn=loss)


@pytest.mark.parametrize(
    "mixing",
    [
        lambda x: jax.nn.softmax(x, axis=0),
        lambda x: x - x.mean(0),
        lambda x: x.reshape(x.shape[1], x.shape[0]).T,
        lambda x: x[jnp.argsort(x[:, 0])],
    ],
    ids=["softmax", "centred", "reshaped", "sorted"],
)
def test_outputs_that_mix_examples_are_found(mixing: Any) -> None:
    mixed = with_predict(lambda p, b: mixing(predict(p, b)))
    assert codes(independent_examples(Subject(mixed))) == ["mixed-examples"]
    of_loss = independent_examples(Subject(replace(mixed, predict_fn=None)))
    assert of_loss.verdict is Verdict.INCONCLUSIVE


def test_a_loss_that_adds_up_has_independent_examples() -> None:
    outcome = independent_examples(Subject(classifier(predict_fn=None)))
    assert outcome.word == Verdict.PASS
    assert outcome.said == "the loss is a sum over both halves of the batch"


def test_infinite_derivatives_of_other_examples_mix_nothing() -> None:
    def rooted(params: Any, batch: Any) -> jax.Array:
        logits = predict(params, batch)
        return logits + jnp.sqrt(0.0 * jnp.square(logits))

    assert not codes(independent_examples(Subject(with_predict(rooted))))


def test_nan_that_reaches_others_is_mentioned() -> None:
    subject = Subject(with_predict(lambda p, b: predict(p, b) + 0.0 * b[0].sum()))
    outcome = independent_examples(subject)
    assert outcome.word == Verdict.PASS
    assert codes(outcome) == ["mixed-examples"]
    assert "NaN in the first example reaches 15 others" in outcome.said


def test_running_averages_leave_it_open() -> None:
    def loss(params: Any, batch: Any, mean: Any) -> Any:
        logits = predict(params, batch)
        each = optax.softmax_cross_entropy_with_integer_labels(logits, batch[1])
        return each.mean(), 0.9 * mean + 0.1 * logits.mean(0)

    def normalised(params: Any, batch: Any, mean: Any) -> jax.Array:
        logits = predict(params, batch)
        return (logits - logits.mean(0)) / logits.std(0)

    workload = classifier(
        loss_fn=loss,
        predict_fn=normalised,
        has_aux=True,
        extra=(np.zeros(3, np.float32),),
        next_extra=lambda extra, aux, step: (aux,),
    )
    outcome = independent_examples(Subject(workload))
    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert "running averages" in outcome.said


def test_a_sum_over_the_batch_is_found() -> None:
    def loss(params: Any, batch: Any) -> jax.Array:
        return loss_fn(params, batch) * batch[0].shape[0]

    outcome = reduction(Subject(classifier(loss_fn=loss)))
    assert codes(outcome) == ["summed-loss"]
    assert outcome.word == "warning"


def test_a_loss_that_compares_examples_is_neither_sum_nor_mean() -> None:
    def loss(params: Any, batch: Any) -> jax.Array:
        scores = predict(params, batch) @ predict(params, batch).T
        return -jnp.mean(jnp.diag(jax.nn.log_softmax(scores)))

    outcome = reduction(Subject(classifier(loss_fn=loss)))
    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert "neither a mean nor a sum" in outcome.said


def decayed(coefficient: float) -> Any:
    def loss(params: Any, batch: Any) -> jax.Array:
        squares = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))
        accuracy = (predict(params, batch).argmax(-1) == batch[1]).mean()
        return 0.5 * (loss_fn(params, batch) + coefficient * squares) + 0.0 * accuracy

    return loss


@pytest.mark.parametrize(
    ("coefficient", "found"), [(1e-3, []), (10.0, ["strong-regulariser"])]
)
@pytest.mark.parametrize(
    "wrapped",
    [
        jax.jit,
        *(pytest.param(f, marks=pytest.mark.slow) for f in (partial, jax.checkpoint)),
    ],
)
def test_a_regulariser_that_outweighs_the_data_is_found(
    coefficient: float, found: list[str], wrapped: Any
) -> None:
    workload = classifier(loss_fn=wrapped(decayed(coefficient)))
    outcome = regulariser(Subject(workload))
    assert codes(outcome) == found, outcome.said
    norms = outcome.numbers
    squares = jax.tree.map(lambda leaf: float((leaf**2).sum()), workload.params)
    whole = sum(jax.tree.leaves(squares)) ** 0.5
    np.testing.assert_allclose(norms["regulariser"], coefficient * whole, rtol=1e-5)
    data = jax.grad(loss_fn)(workload.params, blobs()[0])
    size = sum(float((leaf**2).sum()) for leaf in jax.tree.leaves(data)) ** 0.5
    np.testing.assert_allclose(norms["data"], size / 2, rtol=1e-5)


def test_a_loss_without_a_regulariser_has_none(healthy: Subject) -> None:
    assert regulariser(healthy).said == "no term of the loss is without data"


def padded_workload(in_loss: bool, in_model: bool) -> jd.Workload:
    def output(params: Any, batch: Any) -> jax.Array:
        counts = batch["counts"][..., None]
        x = batch["tokens"][..., None] * params["w"]
        seen = x if in_model else x * counts
        return x + seen.sum(1, keepdims=True) / counts.sum(1, keepdims=True)

    def loss(params: Any, batch: Any) -> jax.Array:
        each = ((output(params, batch) - batch["next"][..., None]) ** 2).sum(-1)
        weights = jnp.ones_like(each) if in_loss else batch["counts"]
        return (each * weights).sum() / weights.sum()

    random = np.random.default_rng(0)
    counts = (np.arange(TIMES) < np.array([[6], [3], [4]])).astype(np.float32)
    batch = {
        "tokens": random.normal(size=counts.shape).astype(np.float32),
        "next": random.normal(size=counts.shape).astype(np.float32),
        "counts": counts,
    }
    return jd.Workload(
        loss_fn=loss,
        params={"w": np.ones(WIDTH, np.float32)},
        train=[batch],
        inputs="tokens",
        targets="next",
        mask="counts",
    )


@pytest.mark.parametrize(
    ("in_loss", "in_model", "fields"),
    [
        (False, False, []),
        (True, False, ["inputs", "targets"]),
        (False, True, ["inputs"]),
    ],
)
def test_padding_that_counts_is_found(
    in_loss: bool, in_model: bool, fields: list[str]
) -> None:
    outcome = padding(Subject(padded_workload(in_loss, in_model)))
    assert [finding.where for finding in outcome.findings] == fields
    assert set(codes(outcome)) <= {"padding-counts"}


def test_padding_is_judged_only_where_it_is_known(healthy: Subject) -> None:
    with pytest.raises(CannotRun, match="give `mask`"):
        padding(healthy)


def regression(activation: Any, targets: Any) -> jd.Workload:
    def output(params: Any, batch: Any) -> jax.Array:
        return activation(predict(params, batch)[:, :1])

    def loss(params: Any, batch: Any) -> jax.Array:
        return jnp.mean((output(params, batch) - batch[1]) ** 2)

    train = [(x, targets(x).astype(np.float32)) for x, _ in blobs()]
    return classifier(loss_fn=loss, predict_fn=output, train=train)


@pytest.mark.parametrize(
    ("activation", "targets", "found"),
    [
        (jax.nn.sigmoid, lambda x: np.tanh(x[:, :1]), ["unreachable-targets"]),
        (jax.nn.relu, lambda x: np.tanh(x[:, :1]), ["unreachable-targets"]),
        (jnp.tanh, lambda x: np.tanh(x[:, :1]), []),
        (jnp.asarray, lambda x: 3 * x[:, :1], []),
        (jax.nn.sigmoid, lambda x: x[:, :1] > 0, []),
    ],
)
def test_targets_beyond_the_last_activation_are_found(
    activation: Any, targets: Any, found: list[str]
) -> None:
    outcome = reachable_targets(Subject(regression(activation, targets)))
    assert codes(outcome) == found, outcome.said


def test_a_squared_error_of_classes_is_mentioned() -> None:
    def loss(params: Any, batch: Any) -> jax.Array:
        return jnp.mean((predict(params, batch) - batch[1]) ** 2)

    train = [(x, np.eye(3, dtype=np.float32)[y]) for x, y in blobs()]
    outcome = reachable_targets(Subject(classifier(loss_fn=loss, train=train)))
    assert codes(outcome) == ["squared-error-of-classes"]
    assert outcome.word == Verdict.PASS

    def cubed(params: Any, batch: Any) -> jax.Array:
        return loss_fn(params, batch) ** 3

    with pytest.raises(CannotRun, match="no squared or absolute error"):
        reachable_targets(Subject(classifier(loss_fn=cubed)))


def test_a_loss_of_one_batch_size_is_not_doubled() -> None:
    def loss(params: Any, batch: Any) -> jax.Array:
        return loss_fn(params, (batch[0].reshape(16, 4), batch[1]))

    with pytest.raises(CannotRun, match="takes no batch twice as large: TypeError"):
        reduction(Subject(classifier(loss_fn=loss)))
