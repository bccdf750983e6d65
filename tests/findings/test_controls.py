"""Healthy trainings raise nothing above info."""

from __future__ import annotations

import pytest

from tests.findings.controls import CONTROLS, warnings

SEEDS = (100,)
"""A slice; `python -m benchmarks findings` takes every control at 20 seeds."""


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CONTROLS)[::9])
def test_healthy_trainings_are_quiet(name: str) -> None:
    assert [found for seed in SEEDS for found in warnings(name, seed)] == []
