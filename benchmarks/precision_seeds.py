"""Precision checks: quiet on healthy models, planted losses found, at every seed."""

import time

from benchmarks.result import Row
from tests.checks.lossy_functions import LOSSES
from tests.checks.precision_seeds import DTYPES, MODELS, healthy, planted

SEEDS = 20


def _healthy(name: str, dtype: str, seeds: int) -> Row:
    """Count what is found above info of one model in one dtype."""
    start, at = time.perf_counter(), healthy(name, dtype)
    found = [str(finding.code) for seed in range(seeds) for finding in at(seed)]
    return Row(
        what=f"healthy: {name}, {dtype}",
        seconds=time.perf_counter() - start,
        held=not found,
        note=f"{len(found)} warnings over {seeds} seeds {sorted(set(found))}",
    )


def _planted(name: str, seeds: int) -> Row:
    """Count the seeds at which a loss is found at its line, and its twin is quiet."""
    start, at = time.perf_counter(), planted(name)
    seen = [at(seed) for seed in range(seeds)]
    hits, quiet = (sum(each) for each in zip(*seen, strict=True))
    return Row(
        what=f"loss: {name}",
        seconds=time.perf_counter() - start,
        held=hits == quiet == seeds,
        note=f"found at its line at {hits} of {seeds} seeds, twin quiet at {quiet}",
    )


def measure(seeds: int = SEEDS) -> list[Row]:
    """One row a model and dtype, one a planted loss.

    Args:
        seeds: how many.
    """
    losses = [_planted(name, seeds) for name in LOSSES]
    return losses + [
        _healthy(name, dtype, seeds) for name in MODELS for dtype in DTYPES
    ]
