"""How often a check-up finds a planted fault, and warns of a healthy training."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import jax

import jaxdebug as jd
from benchmarks.everyday_programs.programs import PROGRAMS, check_up
from benchmarks.healthy_trainings import HEALTHY
from benchmarks.planted_checkups import FAULTS
from benchmarks.result import Row
from jaxdebug.findings import Severity

SEEDS = 20
BAR = 0.95
"""Of the seeds at which a fault must be found by a check that should."""


class Run(NamedTuple):
    """One check-up.

    Attributes:
        what: the name of the training.
        seed: of it.
        told: names of checks with a warning or an error, and the codes of these.
        mentioned: codes of what is only mentioned.
        seconds: that it took.
    """

    what: str
    seed: int
    told: Sequence[str]
    mentioned: Sequence[str]
    seconds: float


def measure(
    seeds: int = SEEDS, only: Sequence[str] = (), journal: str | None = None
) -> list[Row]:
    """A row a fault, a healthy training and an everyday program.

    Args:
        seeds: how many.
        only: patterns of names, such as `healthy: *` and `program: *`; all by default.
        journal: a file that keeps each run, so that what is there is not run again.
    """
    healthy = [f"healthy: {name}" for name in HEALTHY]
    names = [*FAULTS, *healthy, *(f"program: {name}" for name in PROGRAMS)]
    wanted = [x for x in names if not only or any(fnmatchcase(x, p) for p in only)]
    done = dict(_read(journal))
    runs = {}
    # Seed by seed, so that what is interrupted has seen every training.
    for seed in range(seeds):
        for name in wanted:
            if (name, seed) not in done:
                done[name, seed] = _run(name, seed)
                _keep(journal, done[name, seed])
            runs[name, seed] = done[name, seed]
    return [_row(name, [runs[name, seed] for seed in range(seeds)]) for name in wanted]


def _run(name: str, seed: int) -> Run:
    begun = time.perf_counter()
    if name in FAULTS:
        checks = sorted({one.partition("/")[0] for one in FAULTS[name].checks})
        report = jd.checkup(FAULTS[name].make(seed), only=checks, seed=seed)
    elif name.startswith("program: "):
        report = check_up(name.removeprefix("program: "), seed)
    else:
        made = HEALTHY[name.removeprefix("healthy: ")](seed)
        report = jd.checkup(made, seed=seed)
    told, mentioned = [], []
    for one in report.outcomes:
        for finding in one.findings:
            loud = finding.severity is not Severity.INFO
            (told if loud else mentioned).extend((one.name, finding.code))
    jax.clear_caches()
    told, mentioned = [*dict.fromkeys(told)], [*dict.fromkeys(mentioned)]
    run = Run(name, seed, told, mentioned, time.perf_counter() - begun)
    print(f"{seed} {name}: {', '.join(told)}", file=sys.stderr, flush=True)
    return run


def _row(name: str, runs: Sequence[Run]) -> Row:
    told = Counter(word for run in runs for word in run.told)
    note = ", ".join(f"{word} {count}" for word, count in told.items()) or "nothing"
    seconds = sum(run.seconds for run in runs)
    if name not in FAULTS:
        alarms = sum(bool(run.told) for run in runs)
        return Row(
            name,
            seconds=seconds,
            ratio=alarms / len(runs),
            bar=0.0,
            held=not alarms,
            note=note,
        )
    found = sum(FAULTS[name].is_found(run.told, run.mentioned) for run in runs)
    return Row(
        name,
        seconds=seconds,
        ratio=found / len(runs),
        bar=BAR,
        held=found >= BAR * len(runs),
        note=note,
    )


def _keep(journal: str | None, run: Run) -> None:
    if journal is not None:
        with Path(journal).open("a", encoding="utf-8") as file:
            # First the end of a line that may have broken off.
            file.write("\n" + json.dumps(run._asdict()))


def _read(journal: str | None) -> Iterator[tuple[tuple[str, int], Run]]:
    if journal is None or not Path(journal).exists():
        return
    for line in Path(journal).read_text(encoding="utf-8").splitlines():
        try:
            run = Run(**json.loads(line))
        except json.JSONDecodeError:
            continue
        yield (run.what, run.seed), run
