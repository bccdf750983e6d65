"""A range test suggests a rate below the one at which training breaks."""

from __future__ import annotations

import json

import numpy as np
import optax
import pytest

from jaxdebug import tuning
from jaxdebug.reports import Verdict
from jaxdebug.tuning.range_test import centred_means, judge, steps_before_it_runs_away
from tests.checks.json_schema import problems
from tests.tuning.small_line import line, schema

RATES = np.geomspace(1e-6, 10, 200)


def _falling(noise: float, fall: float, breaks: float = 1.0) -> np.ndarray:
    """Losses that fall around 1e-3, and run away from a rate on."""
    draw = np.random.default_rng(0)
    trend = 2 - fall / (1 + (1e-3 / RATES) ** 2)
    away = np.where(breaks < RATES, 10 * (RATES / breaks) ** 3, 0)
    return trend + away + noise * draw.normal(size=RATES.size)


def test_words_are_of_the_losses_as_they_were() -> None:
    losses = _falling(0.01, 1.5)
    seen = judge(RATES, losses - 0.5, losses)
    assert "falls from 2.002 to 0.49" in seen.reasons[0]
    assert "falls from 1.502 to -0.00" in judge(RATES, losses - 0.5).reasons[0]


def test_a_rate_between_the_steepest_fall_and_the_end_is_suggested() -> None:
    found = judge(RATES, _falling(0.01, 1.5))
    assert found.verdict is Verdict.PASS
    assert found.suggested is not None
    assert 1e-3 < found.suggested < 0.1
    assert np.isnan(found.means[-1])


def test_noise_is_no_fall() -> None:
    falls = 0
    for seed in range(100):
        noise = np.random.default_rng(seed).normal(size=RATES.size)
        falls += judge(RATES, 2 + noise).suggested is not None
    assert falls <= 3


def test_a_loss_that_still_falls_is_inconclusive() -> None:
    found = judge(RATES, 2 - np.linspace(0, 1, RATES.size))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "raise `highest`" in found.reasons[-1]


def test_a_loss_that_runs_away_at_once_fails() -> None:
    found = judge(RATES, np.exp(np.arange(200.0)))
    assert found.verdict is Verdict.FAIL
    assert found.suggested is None
    assert "lower `lowest`" in found.reasons[0]
    assert judge(RATES, np.full(200, np.nan)).suggested is None


def test_what_is_not_finite_has_run_away() -> None:
    losses = np.asarray([1.0, 1.0, np.inf, 1.0])
    assert steps_before_it_runs_away(losses) == 2


def test_losses_below_zero_do_not_run_away_where_they_fall() -> None:
    assert steps_before_it_runs_away(np.linspace(1, -50, 100)) == 100


def test_means_are_not_late() -> None:
    """Of a step down, half has been gone where the losses step."""
    losses = np.where(np.arange(101) < 50, 2.0, 1.0)
    losses[50] = 1.5
    assert centred_means(losses)[50] == pytest.approx(1.5)


def test_a_suggested_rate_is_stable() -> None:
    """Gradient descent breaks from a rate of 1 on: twice the inverse curvature."""
    report = tuning.range_test(line(), optimizer=optax.sgd, steps=120)
    assert report.suggested is not None
    assert 1e-3 < report.suggested < 1
    assert report.losses[0] == pytest.approx(9)
    np.testing.assert_allclose(report.still, 9)
    form = schema("range-test")
    assert not problems(json.loads(report.to_json()), form, form)


def test_what_batches_differ_by_is_no_fall() -> None:
    scales = np.geomspace(0.03, 30, 40)
    x = np.ones((40, 1), np.float32) * scales[:, None].astype(np.float32)
    still = line(
        train=[(row, row) for row in x],
        loss_fn=lambda w, batch: (batch[1] ** 2).mean() + 0 * w,
    )
    report = tuning.range_test(still, optimizer=optax.sgd, steps=120)
    assert report.verdict is Verdict.FAIL
    np.testing.assert_array_equal(report.losses, report.still)


def test_without_a_function_rates_are_factors_of_the_workloads_own() -> None:
    report = tuning.range_test(line(optimizer=optax.sgd(0.01)), steps=100)
    own = tuning.range_test(
        line(), optimizer=optax.sgd, steps=100, lowest=1e-8, highest=0.1
    )
    assert report.is_factor
    assert not own.is_factor
    np.testing.assert_allclose(report.losses, own.losses, rtol=1e-4)
    assert "factor of the updates" in report.text()


def test_what_is_no_range_is_refused() -> None:
    with pytest.raises(ValueError, match="0 < lowest < highest; found lowest=1"):
        tuning.range_test(line(), optimizer=optax.sgd, lowest=1, highest=0.1)
    with pytest.raises(ValueError, match="steps to be an integer from 30"):
        tuning.range_test(line(), optimizer=optax.sgd, steps=3)
    with pytest.raises(ValueError, match="none that takes 'learning_rate'"):
        tuning.range_test(line(), optimizer=lambda size: optax.sgd(size))
