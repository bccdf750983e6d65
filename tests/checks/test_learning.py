"""Short trainings: what learns passes, what cannot is named, what is slow neither."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdebug as jd
from jaxdebug.checks.learning.courses import difference, falls_to, still_falls
from jaxdebug.checks.learning.distance_correlation import chance_of_dependence
from jaxdebug.checks.learning.loss_falls import loss_falls
from jaxdebug.checks.learning.overfit import overfit_one_batch, overfit_one_example
from jaxdebug.checks.learning.related_targets import related_targets
from jaxdebug.checks.learning.scaled_gradients import lost_in_epsilon
from jaxdebug.checks.learning.step_size import step_size
from jaxdebug.checks.outcome import CannotRun
from jaxdebug.checks.subject import Subject
from jaxdebug.reports import Verdict
from tests.checks.small_workloads import blobs, classifier, deaf, predict, shuffled

CHECKS = (loss_falls, overfit_one_batch, overfit_one_example, related_targets)


@pytest.fixture(scope="module")
def healthy() -> Subject:
    return Subject(classifier())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_healthy_training_passes(healthy: Subject, check: object) -> None:
    outcome = check(healthy)  # type: ignore[operator]
    assert outcome.verdict is Verdict.PASS, outcome.said
    assert not outcome.findings


def test_steps_that_do_nothing_and_steps_uphill_are_found() -> None:
    still = Subject(classifier(optimizer=optax.set_to_zero()))
    uphill = Subject(classifier(optimizer=optax.scale(0.1)))
    for subject in (still, uphill):
        (finding,) = loss_falls(subject).findings
        assert finding.code == "loss-does-not-fall"


def test_a_fall_that_batches_do_not_share_is_not_decided() -> None:
    """The mean falls to half, by a few batches with much to learn."""
    heights = np.where(np.arange(14) % 5 == 0, 3.0, 0.0)

    def loss(params: Any, batch: Any) -> jax.Array:
        weight, height = params["w"][0, 0], batch[1][0]
        return jnp.where(height > 0, jnp.abs(weight - height), 0.2 + 0.1 * weight)

    params = {"w": np.zeros((1, 1), np.float32)}
    train = [(np.ones((16, 4)), np.full(16, h)) for h in heights]
    falls = classifier(loss_fn=loss, params=params, train=train, predict_fn=None)
    outcome = loss_falls(Subject(falls))
    assert outcome.word == Verdict.INCONCLUSIVE, outcome.said
    stays = loss_falls(Subject(replace(falls, optimizer=optax.sgd(-1e-3))))
    assert [one.code for one in stays.findings] == ["loss-does-not-fall"]


def test_a_learning_rate_that_is_small_falls_and_is_not_judged_by_heart() -> None:
    slow = Subject(classifier(optimizer=optax.sgd(1e-5)))
    assert loss_falls(slow).verdict is Verdict.PASS
    outcome = overfit_one_batch(slow)
    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert "still falling" in outcome.said


def test_a_model_without_inputs_cannot_learn_a_batch() -> None:
    outcome = overfit_one_batch(Subject(deaf()))
    (finding,) = outcome.findings
    assert finding.code == "cannot-overfit"
    assert "the best constant" in outcome.said
    assert "no linear model: the loss is none" in outcome.said


def test_a_model_that_a_linear_one_beats_has_no_lack_of_units() -> None:
    def flat(params: Any, batch: Any) -> jax.Array:
        # All but the sign of a feature are lost on the way.
        only = jnp.zeros_like(batch[0]).at[:, 0].set(jnp.sign(batch[0][:, 2]))
        return predict(params, (only, batch[1]))

    def loss(params: Any, batch: Any) -> jax.Array:
        each = optax.softmax_cross_entropy_with_integer_labels(
            flat(params, batch), batch[1]
        )
        return each.mean()

    blind = classifier(loss_fn=loss, predict_fn=flat, train=blobs(noise=0.1))
    outcome = overfit_one_batch(Subject(blind))
    assert [finding.code for finding in outcome.findings] == ["worse-than-linear"]
    assert "it is no lack of units" in outcome.said


@pytest.mark.parametrize(("units", "words"), [(1, "may lack"), (300, "is no lack of")])
def test_simple_models_tell_a_lack_of_units(units: int, words: str) -> None:
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, (64, 2)).astype(np.float32)
    wanted = (np.sign(x[:, 0]) != np.sign(x[:, 1])).astype(np.int32)

    def logits(params: Any, batch: Any) -> jax.Array:
        # Units that are saturated learn nothing, however many there are.
        hidden = jnp.tanh(batch[0] @ params["w"] + (50.0 if units > 1 else 0.0))
        return hidden @ params["v"]

    def loss(params: Any, batch: Any) -> jax.Array:
        return optax.softmax_cross_entropy_with_integer_labels(
            logits(params, batch), batch[1]
        ).mean()

    params = {
        "w": random.normal(size=(2, units)).astype(np.float32),
        "v": random.normal(size=(units, 2)).astype(np.float32) / units,
    }
    one = classifier(params=params, loss_fn=loss, predict_fn=logits)
    outcome = overfit_one_batch(Subject(replace(one, train=[(x, wanted)])))
    assert outcome.verdict is not Verdict.PASS
    assert f"it {words} units" in outcome.said


@pytest.mark.slow
def test_targets_of_other_inputs_are_found() -> None:
    outcome = related_targets(Subject(shuffled()))
    (finding,) = outcome.findings
    assert (finding.code, finding.where) == ("targets-unrelated", "targets")


def test_one_example_has_no_targets_of_others() -> None:
    points, classes = blobs()[0]
    graph = [(points[:1], classes[:1])]
    with pytest.raises(CannotRun, match="one example"):
        related_targets(Subject(classifier(train=graph, eval=graph)))


def test_dependence_is_seen_without_a_model() -> None:
    random = np.random.default_rng(0)
    inputs = random.normal(size=(96, 4)).astype(np.float32)
    classes = (inputs[:, 0] ** 2 > 1).astype(np.int32)
    assert chance_of_dependence([inputs, np.ones((96, 2))], [classes], 0) < 0.01
    often = [
        chance_of_dependence([inputs], [random.permutation(classes)], seed) < 0.1
        for seed in range(20)
    ]
    assert sum(often) <= 6


@pytest.mark.slow
def test_a_weak_relation_on_few_examples_is_undecided() -> None:
    def few(seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        random = np.random.default_rng(seed)
        pairs = []
        for inputs, _ in blobs(seed)[:8]:
            chance = random.normal(size=len(inputs))
            pairs.append((inputs, (inputs[:, 0] + chance > 0).astype(np.int32)))
        return pairs

    outcome = related_targets(Subject(classifier(train=few(0), eval=few(1))))
    assert outcome.verdict is not Verdict.FAIL, outcome.said


def test_what_is_missing_is_asked_for() -> None:
    with pytest.raises(CannotRun, match="give `optimizer`"):
        loss_falls(Subject(classifier(optimizer=None)))
    batches = [{"points": x, "classes": y} for x, y in blobs()]

    def loss_fn(params: dict, batch: dict) -> jax.Array:
        return (batch["points"] @ params["w"]).mean()

    unnamed = classifier(loss_fn=loss_fn, train=batches)
    with pytest.raises(CannotRun, match="give `inputs`"):
        overfit_one_batch(Subject(unnamed))
    wrong = classifier(loss_fn=loss_fn, train=batches, inputs="image")
    with pytest.raises(CannotRun, match="found keys 'classes', 'points'"):
        overfit_one_batch(Subject(wrong))


def test_a_difference_is_sure_only_beyond_chance() -> None:
    random = np.random.default_rng(0)
    noise = random.normal(size=1000)
    assert difference(noise + 0.2, np.zeros(1000)).is_positive
    assert difference(np.zeros(1000), noise + 0.2).is_negative
    same = difference(noise, random.normal(size=1000))
    assert not same.is_positive
    assert not same.is_negative
    # float32 rounding of equal losses is none.
    assert not difference(np.full(9, 2.0), np.full(9, 2.0 - 1e-8)).is_positive


def test_a_course_falls_only_while_it_falls() -> None:
    steps = np.arange(100.0)
    noise = np.random.default_rng(0).normal(size=100)
    assert still_falls(2.0 - 1e-4 * steps)
    assert not still_falls(np.full(100, 2.0))
    assert not still_falls(2.0 + 0.1 * noise)
    assert not still_falls(2.0 + 1e-4 * steps)
    # A tenth of what is left in the last quarter: ten of these would do.
    assert falls_to(2.0 - 1e-2 * steps, 0.0)
    assert not falls_to(2.0 - 1e-3 * steps, 0.0)


@pytest.mark.slow
def test_the_workload_stays_as_it_is() -> None:
    workload: jd.Workload = classifier()
    before = jax.tree.map(np.copy, workload.params)
    loss_falls(Subject(workload))
    jax.tree.map(np.testing.assert_array_equal, before, workload.params)


@pytest.mark.parametrize(
    ("optimizer", "codes"),
    [
        (optax.adam(3e-2), []),
        (optax.adam(3e-6), ["small-steps"]),
        pytest.param(optax.adam(3e-10), ["small-steps"], marks=pytest.mark.slow),
        (optax.sgd(0.3), []),
        (optax.adam(30.0), ["large-steps"]),
    ],
    ids=["healthy", "small", "tiny", "sgd", "large"],
)
def test_steps_of_the_wrong_size_are_found(optimizer: object, codes: list[str]) -> None:
    outcome = step_size(Subject(classifier(optimizer=optimizer)))
    assert [finding.code for finding in outcome.findings] == codes, outcome.said


@pytest.mark.slow
def test_gradients_below_epsilon_are_told_from_a_small_rate() -> None:
    def factor(optimizer: object) -> float | None:
        return lost_in_epsilon(Subject(classifier(optimizer=optimizer)))

    assert (factor(optax.adam(1e-2, eps=10.0)) or 0.0) > 10.0
    assert (factor(optax.adam(1e-2)) or 0.0) < 2.0
    clipped = optax.chain(optax.clip_by_global_norm(100.0), optax.sgd(0.1))
    for optimizer in (optax.sgd(0.1), clipped):
        assert factor(optimizer) is None
    outcome = step_size(Subject(classifier(optimizer=optax.adam(1e-2, eps=100.0))))
    assert "lost in its epsilon" in outcome.said


@pytest.mark.slow
def test_a_warm_up_and_trained_parameters_have_no_wrong_size(healthy: Subject) -> None:
    schedule = optax.linear_schedule(0.0, 3e-2, 5000)
    warm = step_size(Subject(classifier(optimizer=optax.adam(schedule))))
    assert not warm.findings
    endless = optax.adam(optax.linear_schedule(0.0, 3e-2, 5_000_000))
    (finding,) = step_size(Subject(classifier(optimizer=endless))).findings
    assert "still grow" in finding.message
    # Momentum makes the first steps grow, and is no warm-up.
    clipped = optax.chain(optax.clip_by_global_norm(1e-6), optax.sgd(0.1, momentum=0.9))
    (finding,) = step_size(Subject(classifier(optimizer=clipped))).findings
    assert finding.code == "small-steps"
    training, _ = healthy.train_on(healthy.begin(), healthy.train * 8)
    params = dict(zip("bvw", map(np.asarray, training.arrays), strict=True))
    tuned = classifier(params=params, optimizer=optax.adam(1e-6))
    assert not step_size(Subject(tuned)).findings
