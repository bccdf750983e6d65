"""How often a check-up finds a planted fault, and warns of a healthy training."""

from __future__ import annotations

import sys
import time
from collections import Counter

import jax

import jaxdebug as jd
from benchmarks.planted_checkups import FAULTS, Planted
from benchmarks.result import Row
from benchmarks.small_trainings import HEALTHY

SEEDS = 20
BAR = 0.95
"""Of the seeds at which a fault must be found by a check that should."""


def measure(seeds: int = SEEDS) -> list[Row]:
    """A row a fault and a healthy training.

    Args:
        seeds: how many.
    """
    rows = [_fault(name, planted, seeds) for name, planted in FAULTS.items()]
    return [*rows, *(_healthy(name, seeds) for name in HEALTHY)]


def _fault(name: str, planted: Planted, seeds: int) -> Row:
    begun, found = time.perf_counter(), 0
    others: Counter[str] = Counter()
    for seed in range(seeds):
        only = {check.partition("/")[0] for check in planted.checks}
        report = jd.checkup(planted.make(seed), only=sorted(only), seed=seed)
        told = [one.name for one in report.outcomes if _speaks(one.word)]
        found += any({one, one.partition("/")[0]} & {*planted.checks} for one in told)
        others.update(told)
        jax.clear_caches()
    note = ", ".join(f"{check} {count}" for check, count in others.items())
    row = Row(
        name,
        seconds=time.perf_counter() - begun,
        ratio=found / seeds,
        bar=BAR,
        held=found >= BAR * seeds,
        note=note or "nothing",
    )
    print(f"{name}: {found} of {seeds}: {row.note}", file=sys.stderr, flush=True)
    return row


def _healthy(name: str, seeds: int) -> Row:
    begun = time.perf_counter()
    alarms: Counter[str] = Counter()
    for seed in range(seeds):
        report = jd.checkup(HEALTHY[name](seed), seed=seed)
        alarms.update(
            f"{one.name} {one.word}" for one in report.outcomes if _speaks(one.word)
        )
        jax.clear_caches()
    note = ", ".join(f"{what} {count}" for what, count in alarms.items()) or "nothing"
    print(f"healthy {name}: {note}", file=sys.stderr, flush=True)
    return Row(
        f"healthy: {name}",
        seconds=time.perf_counter() - begun,
        ratio=float(sum(alarms.values())),
        bar=0.0,
        held=not alarms,
        note=note,
    )


def _speaks(word: str) -> bool:
    return word in ("fail", "warning")
