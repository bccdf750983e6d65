"""Precision checks at other seeds: `python -m benchmarks precision_seeds` has 20."""

from __future__ import annotations

import pytest

from tests.checks.lossy_functions import LOSSES
from tests.checks.precision_seeds import DTYPES, MODELS, healthy, planted
from tests.slow import quick_cases

SEEDS = (100, 101)


@pytest.mark.parametrize("name", quick_cases(LOSSES, [], slice_of=12))
def test_losses_are_found_at_their_line(name: str) -> None:
    at = planted(name)
    assert [at(seed) for seed in SEEDS] == [(True, True)] * len(SEEDS)


@pytest.mark.parametrize(
    ("name", "dtype"),
    quick_cases(
        [(name, dtype) for name in MODELS for dtype in DTYPES], [], slice_of=28
    ),
)
def test_healthy_models_are_quiet(name: str, dtype: str) -> None:
    at = healthy(name, dtype)
    assert [found for seed in SEEDS for found in at(seed)] == []
