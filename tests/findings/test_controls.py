"""Healthy trainings raise nothing above info."""

from __future__ import annotations

import pytest

from jaxdebug.findings import Finding
from tests.findings.controls import CONTROLS, passes

QUICK = ("batch of one",)
SEEDS = 20


def warnings(name: str, seed: int) -> list[Finding]:
    return [
        finding
        for findings in passes(name, seed)
        for finding in findings
        if finding.severity != "info"
    ]


@pytest.mark.parametrize("name", QUICK)
def test_a_healthy_training_is_quiet(name: str) -> None:
    assert warnings(name, seed=100) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTROLS)
def test_healthy_trainings_are_quiet(name: str) -> None:
    assert [found for seed in range(SEEDS) for found in warnings(name, seed)] == []
