"""How many layers and rules with a mistake `check_layer` catches, at several seeds."""

from __future__ import annotations

import sys
import time

from benchmarks.result import Row
from jaxdebug.reports import Verdict
from tests.testing import layer_mutants, module_mutants, rule_mutants
from tests.testing.mutant import MUTANTS, RIGHT, report_on

# Importing them registers them.
LISTS = layer_mutants, module_mutants, rule_mutants

SEEDS = 5
BAR = 39 / 40
"""Of the mutants, with as many examples as anybody's."""


def measure(seeds: int = SEEDS) -> list[Row]:
    """A row a seed: mutants that break the property that they should, right layers.

    Args:
        seeds: how many.
    """
    rows = []
    for seed in range(seeds):
        rows.append(_row(seed))
        print(rows[-1].note, file=sys.stderr, flush=True)  # each takes minutes
    return rows


def _row(seed: int) -> Row:
    begun = time.perf_counter()
    alive = [name for name in MUTANTS if not _is_killed(name, seed)]
    blamed = [name for name, one in RIGHT.items() if not report_on(one, seed).ok]
    killed = len(MUTANTS) - len(alive)
    note = (
        f"seed {seed}: {killed} of {len(MUTANTS)} mutants caught by the property "
        f"they break, "
        f"{len(RIGHT) - len(blamed)} of {len(RIGHT)} right layers pass"
    )
    return Row(
        f"seed {seed}",
        seconds=time.perf_counter() - begun,
        ratio=killed / len(MUTANTS),
        bar=BAR,
        held=killed >= BAR * len(MUTANTS) and not blamed,
        note="; ".join([note, *alive, *blamed]),
    )


def _is_killed(name: str, seed: int) -> bool:
    mutant = MUTANTS[name]
    return any(
        one.name == mutant.breaks and one.verdict is Verdict.FAIL
        for one in report_on(mutant, seed).properties
    )
