"""What single checks say, where a threshold lies, and what the options change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdebug as jd
from jaxdebug.checks.data.all_checks import CHECKS
from jaxdebug.checks.data.chance import (
    distances,
    least_distance,
    least_lead,
    tail_bound,
)
from jaxdebug.findings import Finding
from tests.checks.json_schema import problems
from tests.data.made_sets import batches, split, table
from tests.data.planted import report_of

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/schema/checks-1.json").read_text("utf-8")
)


def drawn(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def of(report: jd.OutcomeReport, code: str) -> list[Finding]:
    return [one for one in report.findings if one.code == code]


def test_a_report_has_every_check_and_follows_the_schema() -> None:
    report = report_of(split(table(drawn())))
    assert tuple(one.name for one in report.outcomes) == CHECKS
    assert report.ok
    assert not [*problems(json.loads(report.to_json()), SCHEMA, SCHEMA)]
    assert report.text().startswith("PASS")


def test_checks_are_chosen_and_findings_silenced() -> None:
    x, y = table(drawn())
    x[3, 2] = np.nan
    only = jd.check_data((x, y), only=["finite", "labels"], skip=["labels"])
    assert [one.name for one in only.outcomes] == ["finite"]
    assert not only.ok
    assert jd.check_data((x, y), silence=["nonfinite-data:train/0"]).ok


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (
            {"only": ["finit"]},
            ValueError,
            r"only to name checks; found .*There are finite, ",
        ),
        ({"skip": "finite"}, TypeError, "skip to be a list"),
        ({"silence": ["nothing"]}, ValueError, "names no code"),
        ({"declare": ("ordered",)}, ValueError, "time-ordered, augmented"),
        ({"first_layer": "dense"}, ValueError, "one of linear, normalization"),
        ({"num_classes": 1}, ValueError, "at least 2; found 1"),
        ({"rows": 0}, ValueError, "at least 1; found 0"),
        ({"transform": 3}, TypeError, "a function of a batch; found int"),
        ({"seed": -1}, ValueError, "seed to be an integer"),
    ],
)
def test_a_wrong_option_is_refused(options: dict, error: type, text: str) -> None:
    with pytest.raises(error, match=text):
        jd.check_data(table(drawn()), **options)


def test_nonfinite_values_are_named_by_row_and_place() -> None:
    x = np.zeros((2000, 4, 3), np.float32)
    x[1500, 2, 1] = np.nan
    (finding,) = of(jd.check_data({"image": x}), "nonfinite-data")
    assert finding.where == "train/image"
    assert "in row 1500, the first in image[:, 2, 1]" in finding.message
    assert finding.evidence["rows"] == [1500]


def test_infinite_masks_are_only_mentioned() -> None:
    mask = np.where(drawn().random((50, 6)) < 0.5, 0.0, -np.inf)
    x = drawn().standard_normal((50, 6))
    assert jd.check_data({"x": x, "mask": mask}).ok
    x[4, 4] = np.inf
    assert not jd.check_data({"x": x, "mask": mask}).ok


@pytest.mark.parametrize(
    ("scale", "first", "severity"),
    [
        (1.0, "linear", None),
        (9.0, "linear", None),
        (11.0, "linear", "warning"),
        (0.03, "linear", None),
        (0.01, "linear", "warning"),
        (100.0, None, "info"),
        (100.0, "normalization", None),
        (100.0, "embedding", None),
    ],
)
def test_the_scale_of_inputs(scale: float, first: Any, severity: str | None) -> None:
    x = scale * drawn().standard_normal((400, 6))
    found = of(jd.check_data(x, first_layer=first), "input-scale")
    assert [one.severity for one in found] == ([severity] if severity else [])


def test_sparse_inputs_are_no_small_ones() -> None:
    x = np.eye(500, dtype=np.float32)[drawn().integers(0, 500, 400)]
    assert not of(jd.check_data(x, first_layer="linear"), "input-scale")


@pytest.mark.parametrize("apart", [0.0, 0.2])
def test_a_shift_of_one_column(apart: float) -> None:
    x = drawn(1).standard_normal((10_000, 30))
    x[5000:, 4] += apart
    report = jd.check_data(x[:5000], x[5000:], only=["shift"])
    found = of(report, "shifted-split")
    assert [one.message.partition(":")[0] for one in found] == (
        ["eval[" if apart else ""][: bool(apart)]
    )
    assert report.ok
    if apart:
        assert "eval[:, 4]: not distributed as in train" in found[0].message


def test_a_tiny_shift_of_many_rows_is_not_worth_a_word() -> None:
    x = drawn(1).standard_normal((60_000, 2)).astype(np.float32)
    x[30_000:] += 0.05
    report = jd.check_data(x[:30_000], x[30_000:], only=["shift"])
    assert not report.findings


def test_images_are_compared_by_channel() -> None:
    x = drawn(2).random((600, 6, 6, 3))
    x[300:, :, :, 1] *= 0.7
    (finding,) = of(jd.check_data(x[:300], x[300:]), "shifted-split")
    assert "mean of eval[:, :, :, 1]" in finding.message


@pytest.mark.parametrize("shape", [(6, 4, 3), (24, 3)])
def test_rows_that_lost_their_order(shape: tuple[int, ...]) -> None:
    random = drawn(4)
    x = random.standard_normal((400, *shape)).cumsum(1)
    if len(shape) > 2:
        x = x.cumsum(2)
    x -= x.mean(tuple(range(1, x.ndim)), keepdims=True)
    scrambled = random.permuted(x[:200].reshape(200, -1, 3), axis=1)
    noisy = x[:200] + x.std() * random.standard_normal((200, *shape))
    for train, codes in ((scrambled.reshape(200, *shape), 1), (noisy, 0), (x, 0)):
        report = jd.check_data(train, x[200:], only=["neighbours"])
        assert [one.where for one in of(report, "scrambled-split")] == ["train"] * codes


def test_declared_shifts_are_mentioned() -> None:
    x = drawn(1).standard_normal((4000, 3))
    x[2000:] += 1
    for word in ("time-ordered", "augmented"):
        found = jd.check_data(x[:2000], x[2000:], declare=(word,)).findings
        assert [one.severity for one in found if one.code == "shifted-split"] == [
            "info"
        ]


def test_the_bounds_hold_against_chance() -> None:
    random = drawn(3)
    hits = random.binomial(40, 0.3, 20_000)
    for many in (18, 22):
        assert (hits >= many).mean() <= tail_bound(many, 40, 0.3)
    one, other = random.random((150, 4000)), random.random((80, 4000))
    limit = least_distance(150, 80, 1)
    lead = least_lead(150, 80, 1)
    for shift, chance in ((0.0, True), (0.5, False)):
        apart, ahead = distances(one, other + shift)
        for share in ((apart >= limit).mean(), (np.abs(ahead) >= lead).mean()):
            assert share <= 1e-3 if chance else share > 0.9


def test_empty_classes_count_if_others_are_common() -> None:
    y = drawn().integers(1, 10, 2000)
    (common,) = of(jd.check_data((drawn().random((2000, 2)), y)), "empty-class")
    assert common.severity == "warning"
    few = jd.check_data((drawn().random((40, 2)), y[:40]))
    assert all(one.severity == "info" for one in of(few, "empty-class"))
    ages = jd.check_data((drawn().random((2000, 2)), y + 18))
    assert not of(ages, "empty-class")


def test_a_class_that_was_not_trained_on() -> None:
    x, y = table(drawn(), 1000)
    y[800:][y[800:] == 1] = 7
    report = jd.check_data((x[:800], y[:800]), (x[800:], y[800:]))
    (finding,) = of(report, "unseen-class")
    assert finding.severity == "warning"
    assert "class 7" in finding.message


def test_one_nearly_constant_column_fits_by_chance() -> None:
    x, _ = table(drawn(), 200)
    y = np.zeros(200, np.int32)
    y[17] = 1
    x[:, 3] = y
    assert not of(jd.check_data((x, y)), "leaked-target")


def test_one_row_far_from_all_others_is_no_leak() -> None:
    x, _ = table(drawn(), 200)
    y = np.r_[np.arange(196) % 4, 4, 5, 6, 7]
    x[196, 3], x[100, 5] = 1e6, 1e6
    assert not of(jd.check_data((x, y)), "leaked-target")
    assert not of(
        jd.check_data((x, np.where(np.arange(200) == 100, 1e6, x[:, 0]))),
        "leaked-target",
    )


def test_a_column_that_is_part_of_the_answer_is_no_leak() -> None:
    x, _ = table(drawn(), 500)
    y = (x[:, 0] > 0).astype(np.int32)
    assert not of(jd.check_data((x, y)), "leaked-target")


def test_the_next_token_of_a_text_is_no_leak() -> None:
    tokens = drawn().integers(0, 50, (400, 9)).astype(np.int32)
    report = jd.check_data((tokens[:, :-1], tokens[:, 1:]))
    assert not of(report, "leaked-target")
    assert "sequences of one length" in report["leaked-target"].said


def test_constant_and_duplicated_columns_are_named() -> None:
    x, y = table(drawn())
    x[:, 2], x[:, 7] = 5.0, x[:, 1]
    report = jd.check_data((x, y))
    (constant,) = of(report, "constant-feature")
    assert "train/0[:, 2]" in constant.message
    (again,) = of(report, "duplicated-feature")
    assert "train/0[:, 7] is train/0[:, 1]" in again.message
    assert report.ok


@pytest.mark.parametrize(
    ("order", "severity"),
    [
        ([0, 1, 2, 3], None),
        ([0, 1, 2, 2], "error"),
        ([0, 1, 2, 3] * 3, "info"),
        ([0] * 6, "error"),
    ],
    ids=["once", "twice", "passes", "one"],
)
def test_batches_that_come_again(order: list[int], severity: str | None) -> None:
    every = batches(table(drawn(), 128))
    shuffled = [
        tuple(array[drawn(i).permutation(32)] for array in every[at])
        for i, at in enumerate(order)
    ]
    found = of(jd.check_data(shuffled), "identical-batches")
    assert [one.severity for one in found] == ([severity] if severity else [])


def test_batches_of_a_row_that_is_nearly_always_the_same() -> None:
    random = drawn()
    x = np.where(random.random((1200, 2)) < 0.02, random.random((1200, 2)), 0)
    report = jd.check_data(batches((x, np.zeros(1200)), 24))
    assert not report["identical-batches"].said.startswith("0 of")
    assert report.ok


def test_sorted_batches_and_a_sorted_set() -> None:
    x, y = table(drawn())
    order = np.argsort(y, kind="stable")
    arrays = x[order], y[order]
    for train, severity in ((batches(arrays), "warning"), (arrays, "info")):
        (finding,) = of(jd.check_data(train), "ordered-rows")
        assert finding.severity == severity


def test_dtypes_and_shapes_of_splits() -> None:
    x, y = table(drawn())
    whole = (10 * x).astype(np.int32)
    (finding,) = of(jd.check_data((x, y), (whole, y)), "unlike-splits")
    assert finding.severity == "warning"
    other = jd.check_data((x, y), (x[:, :5], y), skip=["leakage"])
    assert "rows have the shape [5]" in of(other, "unlike-splits")[0].message
    first = jd.check_data(np.zeros((4, 3, 8, 8), np.float32))
    assert of(first, "channels-first")


def test_the_seed_is_the_only_chance() -> None:
    options = split(table(drawn()))
    one, same = report_of(options), report_of(options)
    assert [each.said for each in one.outcomes] == [each.said for each in same.outcomes]
