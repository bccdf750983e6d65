"""A sweep finds what is best, and says how sure that is."""

from __future__ import annotations

import json
from typing import Any

import jax
import numpy as np
import optax
import pytest

from examples import tuned_digits
from jaxdebug import tuning
from jaxdebug.reports import Verdict
from tests.checks.json_schema import problems
from tests.tuning.small_line import SLOPE, line, schema


def test_the_best_rate_is_the_inverse_of_the_curvature() -> None:
    report = tuning.sweep(
        line(), {"learning_rate": [0.01, 0.5, 0.9]}, steps=4, optimizer=optax.sgd
    )
    assert report.ok
    assert report.best == {"learning_rate": 0.5}
    assert report.order == [1, 2, 0]
    assert "evaluation loss from 9 to 0" in report.text()


def test_the_end_of_what_was_tried_is_no_answer() -> None:
    report = tuning.sweep(
        line(), {"learning_rate": [0.01, 0.02, 0.04]}, steps=4, optimizer=optax.sgd
    )
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "widen it" in report.text()


def test_what_diverges_comes_last_and_is_counted() -> None:
    asked = {"learning_rate": [0.5, 0.6, 1e30]}
    report = tuning.sweep(line(), asked, steps=8, optimizer=optax.sgd)
    assert report.order[-1] == 2
    assert "1 of 3 diverge" in report.text()


def test_all_that_diverge_fail() -> None:
    report = tuning.sweep(
        line(), {"learning_rate": [3.0, 5.0]}, steps=8, optimizer=optax.sgd
    )
    assert report.verdict is Verdict.FAIL
    assert "no setting lowers the evaluation loss of 9" in report.text()


def test_settings_of_loss_and_optimizer_are_combined() -> None:
    def shifted(w: Any, batch: Any, *, offset: float) -> Any:
        return ((w * batch[0] - batch[1] - offset * batch[0]) ** 2).mean()

    asked = {"learning_rate": [0.25, 0.5], "offset": [-1.0, 0.0, 1.0]}
    report = tuning.sweep(line(), asked, steps=60, optimizer=optax.sgd, loss_fn=shifted)
    # Judged by the workload's own loss, whatever is trained on.
    expected = [1, 0, 1, 1, 0, 1]
    np.testing.assert_allclose(report.evaluated[:, 0], expected, atol=1e-5)
    assert report.best["offset"] == 0


def test_settings_are_told_apart_only_beyond_what_seeds_differ_by() -> None:
    noisy = line(
        loss_fn=lambda w, batch, key: (
            ((w - jax.random.normal(key)) * batch[0] - batch[1]) ** 2
        ).mean(),
        eval_loss_fn=lambda w, batch, key: (w - SLOPE) ** 2,
        extra=(jax.random.key(0),),
    )
    asked = {"learning_rate": [1e-4, 0.1, 0.11]}
    report = tuning.sweep(noisy, asked, steps=20, seeds=6, optimizer=optax.sgd)
    assert "1 other not told from the best by 6 seeds" in report.text()


def test_a_report_is_text_and_json() -> None:
    report = tuning.sweep(
        line(), {"learning_rate": [0.1, 0.2]}, steps=2, optimizer=optax.sgd
    )
    found = json.loads(report.to_json())
    form = schema("sweep")
    assert not problems(found, form, form)
    assert found["best"] == {"learning_rate": 0.2}


@pytest.mark.parametrize(
    ("changes", "settings", "said"),
    [
        ({}, {}, "names and their values"),
        ({}, {"learning_rate": []}, "finite numbers in a row"),
        ({}, {"learning_rate": ["a"]}, "finite numbers in a row"),
        ({}, {"learning_rate": [np.nan]}, "finite numbers in a row"),
        ({}, {"learning_rate": [[1], [2, 3]]}, "finite numbers in a row"),
        ({}, {"rate": [1.0]}, "takes 'rate' .optimizer takes learning_rate"),
        ({"optimizer": None}, {"learning_rate": [1.0]}, "expects an optimizer"),
        ({"steps": 0}, {"learning_rate": [1.0]}, "steps to be an integer from 1"),
        ({"seeds": 0}, {"learning_rate": [1.0]}, "seeds to be an integer from 1"),
        ({"seeds": [1, 1]}, {"learning_rate": [1.0]}, "different integers"),
    ],
)
def test_what_cannot_be_swept_is_refused(
    changes: Any, settings: Any, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        tuning.sweep(line(), settings, **{"optimizer": optax.sgd, **changes})


def test_what_has_the_wrong_type_is_refused() -> None:
    asked = {"learning_rate": [0.1]}
    with pytest.raises(TypeError, match=r"expects a jd\.Workload; found dict"):
        tuning.sweep({}, asked, optimizer=optax.sgd)  # type: ignore[arg-type]
    finished: Any = optax.sgd(0.1)
    with pytest.raises(TypeError, match="belongs into the workload"):
        tuning.sweep(line(), asked, optimizer=finished)


def test_parameters_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"line.*init\(key\)"):
        tuning.sweep(
            line(),
            {"learning_rate": [0.1]},
            optimizer=optax.sgd,
            init=lambda key: np.zeros(2, np.float32),
        )


@pytest.mark.slow
def test_the_example_answers(capsys: pytest.CaptureFixture[str]) -> None:
    tuned_digits.main()
    said = capsys.readouterr().out
    assert "range test of digits-mlp" in said
    assert "sweep of digits-mlp" in said
    assert "smoothing harms" in said
