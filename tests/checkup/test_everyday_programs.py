"""Programs as their users write them, in which nothing is wrong, fail nothing."""

from __future__ import annotations

import pytest

from benchmarks.everyday_programs.programs import PROGRAMS, check_up
from jaxdebug.findings import Severity
from tests.slow import quick_cases


@pytest.mark.parametrize("name", quick_cases(PROGRAMS, [], slice_of=5))
def test_an_everyday_program_is_told_nothing(name: str) -> None:
    report = check_up(name, 0)
    told = [one for one in report.findings if one.severity is not Severity.INFO]
    assert not told, report.text()
