"""Right gradients of six libraries must pass, at every seed, compiled once."""

from __future__ import annotations

import time
from collections import Counter
from typing import NamedTuple

import jaxdebug as jd
from benchmarks.result import Row
from jaxdebug.programs.compilations import compilations
from tests.verification.correct_programs import PROGRAMS

SEEDS = 1000
"""Of arguments; the seed of the check's own draws is the same."""

COMPILED = 2
"""Programs that XLA may compile for one function, whatever the seeds."""


class Seen(NamedTuple):
    """What the check said of one program.

    Attributes:
        verdicts: how often each.
        unlike: of the seeds that do not pass, the first few and why.
        compiled: names of what XLA compiled.
    """

    verdicts: Counter[str]
    unlike: list[str]
    compiled: list[str]


def over_seeds(name: str, seeds: range) -> Seen:
    """Check one program at many points."""
    program = PROGRAMS[name]()
    check = jd.check_gradients(program.function)
    verdicts, unlike, compiled = Counter[str](), [], []
    for seed in seeds:
        args = program.args(seed)
        with compilations() as names:
            report = check(*args)
        compiled += names
        verdicts[report.verdict.value] += 1
        if not report.ok:
            parts = (*report.leaves, *report.rules)
            reasons = {part.reason for part in parts if part.verdict != "pass"}
            unlike.append(f"{seed}: {', '.join(sorted(reasons))}")
    return Seen(verdicts, unlike[:5], compiled)


def _rows(name: str, seeds: int) -> list[Row]:
    """That nothing fails, and that little is compiled."""
    start = time.perf_counter()
    seen = over_seeds(name, range(seeds))
    verdicts = ", ".join(f"{count} {word}" for word, count in seen.verdicts.items())
    note = "; ".join([verdicts, *seen.unlike])
    compiled = Counter(seen.compiled)
    names = ", ".join(f"{count} {each}" for each, count in compiled.items())
    return [
        Row(
            what=name,
            seconds=time.perf_counter() - start,
            held=not seen.verdicts["fail"],
            note=note,
        ),
        Row(
            what=f"{name}: compilations",
            ratio=float(compiled.total()),
            bar=float(COMPILED),
            held=compiled.total() <= COMPILED,
            note=names,
        ),
    ]


def measure(seeds: int = SEEDS) -> list[Row]:
    """Two rows a program: its verdicts, and what was compiled for them.

    Args:
        seeds: how many.
    """
    return [row for name in PROGRAMS for row in _rows(name, seeds)]
