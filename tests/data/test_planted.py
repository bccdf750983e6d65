"""Every planted fault is found at its place, and healthy sets raise nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.checks.json_schema import problems
from tests.data.controls import CONTROLS
from tests.data.planted import FAULTS, alarms, found_in, report_of
from tests.data.random_sets import random_set
from tests.slow import quick_cases

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/schema/checks-1.json").read_text("utf-8")
)
SEEDS = 20
CASES = [(name, seed) for name in FAULTS for seed in range(SEEDS)]
HEALTHY = [(name, seed) for name in CONTROLS for seed in range(SEEDS)]
EVERY = 10


def first(cases: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The first seed of every second name."""
    names = [*dict.fromkeys(name for name, _ in cases)][::2]
    return [case for case in cases if case[1] == 0 and case[0] in names]


@pytest.mark.parametrize(
    ("name", "seed"), quick_cases(CASES, first(CASES), slice_of=EVERY)
)
def test_a_planted_fault_is_found(name: str, seed: int) -> None:
    assert found_in(FAULTS[name], seed)


@pytest.mark.parametrize("name", [*FAULTS][5::4])
def test_a_finding_is_written_as_text_and_as_json(name: str) -> None:
    report = report_of(FAULTS[name].make(np.random.default_rng(0)))
    assert not [*problems(json.loads(report.to_json()), SCHEMA, SCHEMA)]
    assert FAULTS[name].code in report.text(width=100)


@pytest.mark.parametrize(
    ("name", "seed"), quick_cases(HEALTHY, first(HEALTHY), slice_of=EVERY)
)
def test_a_healthy_set_raises_nothing(name: str, seed: int) -> None:
    assert not alarms(CONTROLS[name](np.random.default_rng(seed)))


@pytest.mark.parametrize("seed", quick_cases(range(60), range(5)))
def test_a_healthy_set_drawn_at_random_raises_nothing(seed: int) -> None:
    assert not alarms(random_set(np.random.default_rng(seed)))
