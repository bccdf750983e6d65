"""What only an audit can tell: found where it is planted, and not in its twin."""

from __future__ import annotations

import numpy as np
import pytest

from jaxdebug.statistics.likeness import apart
from tests.findings.audited import CASES, detected, warnings
from tests.slow import quick_cases

SEEDS = (100,)
"""A slice; `python -m benchmarks findings` takes every case at 20 seeds."""


@pytest.mark.parametrize("name", quick_cases(CASES, []))
def test_audited_faults_and_their_twins(name: str) -> None:
    if CASES[name].code:
        assert all(detected(name, seed) for seed in SEEDS)
    assert [found for seed in SEEDS for found in warnings(name, seed)] == []


def test_how_far_slices_are_apart() -> None:
    columns = np.tile(np.array([[1.0], [4.0]], np.float16), (1, 3))
    assert apart(columns).tolist() == [3, 0]
    columns[1, 2] = -1
    assert apart(columns).tolist() == [3, 5]
    assert apart(np.array([[1 + 1j], [4 + 5j]])).tolist() == [5, 0]
    assert apart(np.array([1, 4], np.int32)).tolist() == [3]
    assert np.isnan(apart(np.array([[1.0, np.nan]]))).any()
    assert apart(np.ones((0, 2))).tolist() == [0, 0]
    assert apart(np.float32(2.0)).size == 0
