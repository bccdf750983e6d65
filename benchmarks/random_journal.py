"""Verdicts on random programs, kept so that an interrupted run can go on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.random_check import Check
from jaxdebug.testing.programs.expected import Expected


class Entry(NamedTuple):
    """What was made of one family.

    Attributes:
        programs: how many of it were checked.
        checks: their verdicts.
    """

    programs: int
    checks: Sequence[Check]


def append(path: str | Path, seed: int, number: int, entry: Entry) -> None:
    """Add one family, as one line.

    Args:
        path: of the file; made if there is none.
        seed: of the run.
        number: of the family.
        entry: what was made of it.
    """
    line = {
        "seed": seed,
        "number": number,
        "programs": entry.programs,
        "checks": [check._asdict() for check in entry.checks],
    }
    with Path(path).open("a", encoding="utf-8") as file:
        # First the end of a line that may have broken off.
        file.write("\n" + json.dumps(line))


def read(path: str | Path, seed: int) -> dict[int, Entry]:
    """What was made of each family of a seed; a line that broke off counts for nothing.

    Args:
        path: of the file; nothing was made if there is none.
        seed: of the run.
    """
    if not Path(path).exists():
        return {}
    done = {}
    for text in Path(path).read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if line["seed"] == seed:
            checks = [
                Check(**each)._replace(
                    known=Expected(each["known"]), reasons=tuple(each["reasons"])
                )
                for each in line["checks"]
            ]
            done[line["number"]] = Entry(line["programs"], checks)
    return done
