"""A report of many checks: its verdict, its words, what was silenced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jaxdebug.checks.outcome import judged, not_run, undecided
from jaxdebug.checks.outcome_report import outcome_report
from jaxdebug.findings import Severity, found
from jaxdebug.reports import Verdict
from tests.checks.json_schema import problems

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/schema/checks-1.json").read_text("utf-8")
)
NAN = found("nonfinite-data", "x", "3 of 100 values are NaN")
MASK = found("nonfinite-data", "mask", "infinite", severity=Severity.WARNING)
SEVERAL = (
    judged("labels", "10 classes", (), {"classes": 10}),
    judged("finite", "3 of 100", [NAN]),
    judged("masks", "1 of 2", [MASK]),
    undecided("shift", "too few rows"),
    not_run("leakage", "give `eval`"),
)


def test_the_worst_check_decides_and_stands_first() -> None:
    report = outcome_report("checkup", "digits", SEVERAL)
    assert report.verdict is Verdict.FAIL
    assert report.findings == (NAN, MASK)
    words = [one.word for one in report.outcomes]
    assert words == ["pass", "fail", "warning", "inconclusive", "not run"]
    table = report.text(width=100).partition("\nChecks\n")[2]
    names = ("finite", "masks", "shift", "leakage", "labels")
    assert sorted(names, key=table.index) == list(names)
    head = "check-up of digits: 1 fail, 1 warning, 1 inconclusive, 1 not run, 1 pass"
    assert report.summary() == head


@pytest.mark.parametrize(
    ("some", "verdict"),
    [
        (SEVERAL[:1], Verdict.PASS),
        (SEVERAL[2:3], Verdict.PASS),
        (SEVERAL[3:4], Verdict.INCONCLUSIVE),
        (SEVERAL[4:], Verdict.INCONCLUSIVE),
        ((SEVERAL[0], SEVERAL[4]), Verdict.PASS),
    ],
)
def test_what_did_not_run_does_not_count(some: tuple, verdict: Verdict) -> None:
    assert outcome_report("checkup", "some", some).verdict is verdict


def test_what_is_silenced_fails_nothing_and_is_listed() -> None:
    report = outcome_report("checkup", "digits", SEVERAL, silence=["nonfinite-data:x"])
    assert report["finite"].verdict is Verdict.PASS
    assert report.silenced == (NAN,)
    assert report.findings == (MASK,)
    assert "Silenced" in report.text()
    assert report["shift"].verdict is Verdict.INCONCLUSIVE


def test_json_follows_the_schema() -> None:
    text = outcome_report("checkup", "digits", SEVERAL).to_json()
    assert not [*problems(json.loads(text), SCHEMA, SCHEMA)]


def test_a_check_that_was_not_asked_for_is_refused_by_name() -> None:
    with pytest.raises(KeyError, match="no check 'lables' in this report; it has lab"):
        outcome_report("checkup", "digits", SEVERAL)["lables"]
