"""The verdict on each case is a right one, in float32 and in float64."""

from __future__ import annotations

import pytest

import jaxdebug as jd
from tests.slow import quick_cases
from tests.verification.case import cast, working_in
from tests.verification.points import POINTS
from tests.verification.right import RIGHT
from tests.verification.wrong import WRONG

CASES = {**RIGHT, **WRONG, **POINTS}
QUICK = ["value of the rule"]


@pytest.mark.parametrize(
    "precision", quick_cases(["float64", "float32"], ["float32"], slice_of=2)
)
@pytest.mark.parametrize("name", quick_cases(CASES, QUICK, slice_of=40))
def test_the_verdict_is_right(name: str, precision: str) -> None:
    case = CASES[name]
    with working_in(precision) as dtype:
        args = cast(case.args, dtype)
        report = jd.check_gradients(case.function, **case.options)(*args)
    assert report.verdict in case.verdicts, str(report)
    if case.reason:
        reasons = {check.reason for check in (*report.leaves, *report.rules)}
        assert case.reason in reasons, str(report)
    assert report.ok == (report.verdict == "pass")
    assert bool(report.findings) >= (report.verdict == "fail")
