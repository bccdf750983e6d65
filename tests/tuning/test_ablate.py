"""An ablation tells what helps, what harms, and what cannot be told."""

from __future__ import annotations

import json
from typing import Any

import jax
import numpy as np
import optax
import pytest
from scipy import stats

from jaxdebug import tuning
from jaxdebug.reports import Verdict
from jaxdebug.tuning.paired import paired, told_apart
from tests.checks.json_schema import problems
from tests.tuning.small_line import line, schema


def _noisy(w: Any, batch: Any, key: Any, **weights: Any) -> Any:
    noise = jax.random.normal(key)
    error = ((w * batch[0] - batch[1] - noise * batch[0]) ** 2).mean()
    penalty = weights.get("penalty", 0.0) * w**2
    return weights.get("data", 1.0) * error + penalty + 0 * weights.get("idle", 0.0)


def _workload() -> Any:
    return line(
        loss_fn=_noisy,
        eval_loss_fn=lambda w, batch, key: (w - 3.0) ** 2,
        extra=(jax.random.key(0),),
        optimizer=optax.sgd(0.02),
    )


def test_parts_help_or_harm_or_change_nothing() -> None:
    report = tuning.ablate(
        _workload(), {"data": 1.0, "penalty": 2.0, "idle": 1.0}, loss_fn=_noisy
    )
    said = {one.name: one.says for one in report.parts}
    assert said == {"data": "helps", "penalty": "harms", "idle": "the same bits"}
    assert report.ok
    form = schema("ablation")
    assert not problems(json.loads(report.to_json()), form, form)


def test_a_difference_is_of_pairs() -> None:
    """Seeds differ by far more than the part makes: only pairs tell."""
    report = tuning.ablate(_workload(), {"penalty": 0.03}, loss_fn=_noisy)
    without = report.whole + report["penalty"].each
    chance: Any = stats.ttest_ind(report.whole, without)[1]
    assert report["penalty"].says != "not told"
    assert chance > 0.05


def test_what_cannot_be_told_is_inconclusive() -> None:
    report = tuning.ablate(_workload(), {"penalty": 1.0}, seeds=1, loss_fn=_noisy)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report["penalty"].says == "not told"


def test_features_are_left_out_one_by_one() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(6, 16, 3)).astype(np.float32) + 5
    y = x @ np.asarray([1.0, 0.0, 0.0], np.float32)
    workload = line(
        loss_fn=lambda p, batch: ((batch[0] @ p[0] + p[1] - batch[1]) ** 2).mean(),
        params=(np.zeros(3, np.float32), np.float32(0)),
        train=[*zip(x, y, strict=True)],
        optimizer=optax.adam(0.1),
    )
    report = tuning.ablate(workload, features={"real": 0, "idle": -1})
    assert report["real"].says == "helps"
    # Its mean stands in its place: that is what the offset can make up for.
    assert report["real"].difference.mean == pytest.approx(np.var(y), rel=0.2)
    assert abs(report["idle"].difference.mean) < 0.01


def test_differences_are_those_of_scipy() -> None:
    draw = np.random.default_rng(1)
    left, right = draw.normal(size=(2, 9))
    found, known = paired(left - right), stats.ttest_rel(left, right)
    assert found.chance == pytest.approx(known.pvalue)
    low, high = known.confidence_interval(0.95)
    assert found.mean - found.half_width == pytest.approx(low)
    assert found.mean + found.half_width == pytest.approx(high)


def test_chance_alone_is_seldom_called_a_difference() -> None:
    draw = np.random.default_rng(2)
    called = sum(
        any(told_apart([paired(row) for row in draw.normal(size=(5, 8))]))
        for _ in range(400)
    )
    assert called / 400 < 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5


def test_not_a_number_is_no_difference() -> None:
    assert paired(np.asarray([np.nan, 1.0])).chance == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "something to leave out"),
        ({"settings": {"penalty": 0.0}}, "another value than the one without it"),
        ({"settings": {"penalty": np.nan}}, "finite numbers"),
        ({"settings": {"other": 1.0}}, "none that takes 'other'"),
        ({"settings": {"penalty": 1.0}, "without": {"x": 1}}, "found 'x'"),
        ({"features": {"a": 9}}, "places on the last axis, which has 4"),
    ],
)
def test_what_cannot_be_left_out_is_refused(asked: Any, said: str) -> None:
    def loss_fn(w: Any, batch: Any, penalty: float = 0.0) -> Any:
        return (w * batch[0]).mean() + penalty

    x = [(np.ones((2, 4), np.float32), np.ones(2, np.float32))]
    workload = line(train=x, optimizer=optax.sgd(0.1))
    with pytest.raises(ValueError, match=said):
        tuning.ablate(workload, loss_fn=loss_fn, **asked)
