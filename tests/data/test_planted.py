"""Every planted fault is found at its place, and healthy sets raise nothing."""

from __future__ import annotations

import numpy as np
import pytest

from tests.data.controls import CONTROLS
from tests.data.planted import FAULTS, alarms, found_in
from tests.slow import quick_cases

SEEDS = 20
CASES = [(name, seed) for name in FAULTS for seed in range(SEEDS)]
HEALTHY = [(name, seed) for name in CONTROLS for seed in range(SEEDS)]
EVERY = 10


def first(cases: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return [case for case in cases if case[1] == 0]


@pytest.mark.parametrize(
    ("name", "seed"), quick_cases(CASES, first(CASES), slice_of=EVERY)
)
def test_a_planted_fault_is_found(name: str, seed: int) -> None:
    assert found_in(FAULTS[name], seed)


@pytest.mark.parametrize(
    ("name", "seed"), quick_cases(HEALTHY, first(HEALTHY), slice_of=EVERY)
)
def test_a_healthy_set_raises_nothing(name: str, seed: int) -> None:
    assert not alarms(CONTROLS[name](np.random.default_rng(seed)))
