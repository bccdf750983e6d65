"""Losses that ask for something else than the targets, and their healthy twins."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdebug as jd
from jaxdebug.checks.outcome import CannotRun
from jaxdebug.checks.sanity.counted_examples import counted_examples
from jaxdebug.checks.sanity.initial_loss import initial_loss
from jaxdebug.checks.sanity.reachable_targets import reachable_targets
from jaxdebug.checks.sanity.uses_targets import uses_targets
from jaxdebug.checks.sanity.visible_targets import visible_targets
from jaxdebug.checks.subject import Subject
from tests.checks.small_workloads import blobs, classifier, codes, loss_fn, predict


def test_a_loss_with_the_wrong_sign_is_found() -> None:
    def turned(params: Any, batch: Any) -> jax.Array:
        return -loss_fn(params, batch)

    outcome = initial_loss(Subject(classifier(loss_fn=turned)))
    assert codes(outcome) == ["negated-loss"]
    assert "minus a cross entropy" in outcome.said

    def other(params: Any, batch: Any) -> jax.Array:
        return -loss_fn(params, batch) - 1.0

    with pytest.raises(CannotRun, match="none whose best constant is known"):
        initial_loss(Subject(classifier(loss_fn=other)))


def deviation(change: Any, **fields: Any) -> jd.Workload:
    """A regression of sums, with something made of outputs and targets."""

    def output(params: Any, batch: Any) -> jax.Array:
        return predict(params, batch)[:, 0]

    def loss(params: Any, batch: Any) -> jax.Array:
        return jnp.mean(change(output(params, batch), batch[1]))

    train = [(x, x.sum(1)) for x, _ in blobs()[:2]]
    return classifier(loss_fn=loss, predict_fn=output, train=train, **fields)


@pytest.mark.parametrize(
    ("change", "fields", "severities"),
    [
        (lambda y, t: (y - t) ** 2, {}, []),
        (lambda y, t: jnp.abs(y - t), {}, []),
        (lambda y, t: y - t, {}, ["error"]),
        (lambda y, t: (y - jax.lax.stop_gradient(y)) + y**2, {}, ["info"]),
        (lambda y, t: y**2, {"targets": 1}, ["error"]),
        (lambda y, t: y**2 + jnp.sum(t**2), {}, ["error"]),
    ],
    ids=["squared", "absolute", "no square", "none needed", "asked for", "constant"],
)
def test_targets_of_which_the_gradient_knows_nothing_are_found(
    change: Any, fields: Any, severities: list[str]
) -> None:
    outcome = uses_targets(Subject(deviation(change, **fields)))
    assert [one.severity.value for one in outcome.findings] == severities, outcome.said
    assert set(codes(outcome)) <= {"unused-targets"}


def test_targets_that_are_one_are_still_used() -> None:
    train = [(x, np.zeros_like(y)) for x, y in blobs()[:1]]
    assert not uses_targets(Subject(classifier(train=train))).findings


def test_an_absolute_error_uses_targets_on_one_side() -> None:
    def loss(params: Any, batch: Any) -> jax.Array:
        return jnp.abs(predict(params, batch)[:, 0] - batch[1]).mean()

    train = [(x, 100 + x.sum(1)) for x, _ in blobs()]
    assert not uses_targets(Subject(classifier(loss_fn=loss, train=train))).findings


def hot(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return -(jax.nn.one_hot(labels, 3) * jax.nn.log_softmax(logits)).sum(-1)


def clipped(logits: jax.Array, labels: jax.Array) -> jax.Array:
    rows = jnp.arange(labels.size)
    return -jax.nn.log_softmax(logits).at[rows, labels].get(mode="clip")


@pytest.mark.parametrize(
    "each",
    [hot, clipped, optax.softmax_cross_entropy_with_integer_labels],
    ids=["one-hot", "clipped", "optax"],
)
@pytest.mark.parametrize(("first", "found"), [(0, []), (1, ["labels-out-of-range"])])
def test_labels_beyond_the_outputs_are_found(
    each: Any, first: int, found: list[str]
) -> None:
    def loss(params: Any, batch: Any) -> jax.Array:
        return each(predict(params, batch), batch[1]).mean()

    train = [(x, y + first) for x, y in blobs()[:2]]
    workload = classifier(loss_fn=loss, train=train)
    assert codes(reachable_targets(Subject(workload))) == found


def language(shift: int, inside: int = 0) -> jd.Workload:
    """A table of next tokens, with targets so many positions after the inputs."""
    random = np.random.default_rng(0)
    tokens = random.integers(5, size=(4, 12)).astype(np.int32)
    middle = slice(2, 10)
    batch = (tokens[:, middle], tokens[:, 2 + shift : 10 + shift])

    def output(params: Any, batch: Any) -> jax.Array:
        return params[batch[0]]

    def loss(params: Any, batch: Any) -> jax.Array:
        logits, labels = output(params, batch), batch[1]
        if inside:
            logits, labels = logits[:, :-inside], labels[:, inside:]
        each = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return each.mean()

    return jd.Workload(
        loss_fn=loss,
        params=random.normal(size=(5, 5)).astype(np.float32),
        train=[batch],
        predict_fn=output,
        declare=("causal",),
    )


@pytest.mark.parametrize(
    ("shift", "severities"), [(1, []), (0, ["error"]), (-1, ["warning"])]
)
def test_targets_that_a_causal_model_sees_are_found(
    shift: int, severities: list[str]
) -> None:
    outcome = visible_targets(Subject(language(shift)))
    assert [one.severity.value for one in outcome.findings] == severities
    assert set(codes(outcome)) <= {"visible-target"}


def test_a_loss_that_shifts_the_tokens_itself_is_not_judged() -> None:
    with pytest.raises(CannotRun, match="in place"):
        visible_targets(Subject(language(0, inside=1)))


@pytest.mark.parametrize(
    ("reduce", "found"),
    [
        (jnp.mean, []),
        (jnp.min, ["uncounted-examples"]),
        (lambda each: each[0], ["uncounted-examples"]),
        (lambda each: each[:4].mean(), ["uncounted-examples"]),
        (lambda each: jnp.mean(jax.nn.relu(each - 0.5)), []),
    ],
    ids=["mean", "minimum", "first", "few", "hinge"],
)
@pytest.mark.parametrize("last", [0.0, 1.0])
def test_examples_that_do_not_count_are_found(
    reduce: Any, found: list[str], last: float
) -> None:
    def loss(params: Any, batch: Any) -> jax.Array:
        logits = predict(params, batch)
        return reduce(optax.softmax_cross_entropy_with_integer_labels(logits, batch[1]))

    params: Any = classifier().params
    # A last layer of zeros gives all examples one loss, not one gradient.
    params = {**params, "v": last * params["v"]}
    outcome = counted_examples(Subject(classifier(loss_fn=loss, params=params)))
    if reduce is jnp.min and not last:
        found = []  # the gradient of a tie is shared
    assert codes(outcome) == found, outcome.said


@pytest.mark.parametrize(("most", "found"), [(1, []), (255, ["unreachable-targets"])])
def test_masks_that_are_no_probabilities_are_found(most: int, found: list[str]) -> None:
    def loss(params: Any, batch: Any) -> jax.Array:
        each = optax.sigmoid_binary_cross_entropy(predict(params, batch), batch[1])
        return each.mean()

    train = [(x, most * np.eye(3, dtype=np.float32)[y]) for x, y in blobs()[:2]]
    subject = Subject(classifier(loss_fn=loss, train=train))
    if found:
        assert codes(reachable_targets(subject)) == found
    else:
        assert not initial_loss(subject).findings
        with pytest.raises(CannotRun, match="no squared or absolute error"):
            reachable_targets(subject)
