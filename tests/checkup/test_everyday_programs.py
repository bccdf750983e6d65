"""Programs as their users write them, in which nothing is wrong, fail nothing."""

from __future__ import annotations

import pytest

from benchmarks.everyday_programs.programs import PROGRAMS, check_up
from jaxdebug.findings import Severity

SLOW = ("ridge", "survival", "ratings", "autoencoder", "triplets", "diffusion")
"""Of differing kinds, and soon examined; the others run with `-m acceptance`."""

CASES = [
    pytest.param(
        name, marks=pytest.mark.slow if name in SLOW else pytest.mark.acceptance
    )
    for name in PROGRAMS
]


@pytest.mark.parametrize("name", CASES)
def test_an_everyday_program_is_told_nothing(name: str) -> None:
    report = check_up(name, 0)
    told = [one for one in report.findings if one.severity is not Severity.INFO]
    assert not told, report.text()
