"""Batches that come twice in one pass, and rows that come twice in each batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from jaxdebug.checks.data.duplicates import Repeats
from jaxdebug.checks.data.scan import Scan
from jaxdebug.checks.data.surprise import are_copies
from jaxdebug.checks.outcome import Outcome, judged, not_run
from jaxdebug.findings import Finding, Severity, found

EXAMPLES = 3

DOUBLED = 0.5
"""Of the batches, so many with every row twice are no chance."""


def check_batches(scans: Sequence[Scan], repeats: Repeats) -> Outcome:
    """Say whether a split gives the same batch, or all rows of batches, several times.

    Several passes in one order are only mentioned. Batches so small, of rows so often
    equal, that chance makes the same one twice are passed.

    Args:
        scans: of each split.
        repeats: of their rows.
    """
    name = "identical-batches"
    every = [
        (scan, repeats.pairs[at])
        for at, scan in enumerate(scans)
        if scan.batched and scan.batch_rows > 1
    ]
    if not every:
        return not_run(name, "no split gives batches of two rows or more")
    findings: list[Finding] = []
    said = []
    for scan, equal in every:
        keys = np.concatenate(scan.batches)
        _, places, counts = np.unique(keys, return_inverse=True, return_counts=True)
        again = len(keys) - len(counts)
        said.append(f"{again} of {len(keys)} batches of {scan.name} came before")
        if scan.doubled >= DOUBLED * len(keys) and are_copies(scan, scan, []):
            findings.append(
                found(
                    "doubled-rows",
                    scan.name,
                    f"{scan.doubled} of {len(keys)} batches hold every row twice or "
                    "more",
                    evidence={"doubled": scan.doubled, "batches": len(keys)},
                )
            )
        if not again or _by_chance(scan, equal, len(keys)):
            continue
        period = _period(places)
        pairs = []
        for group in np.flatnonzero(counts > 1)[:EXAMPLES]:
            first, second = np.flatnonzero(places == group)[:2]
            pairs.append(f"{second} is {first}")
        passes = f"; the split repeats after {period} batches" if period else ""
        findings.append(
            found(
                "identical-batches",
                scan.name,
                f"{again} of {len(keys)} batches have the rows of an earlier one: "
                f"batch {', '.join(pairs)}{passes}",
                severity=Severity.INFO if period > 1 else None,
                evidence={"again": again, "batches": len(keys), "period": period},
            )
        )
    return judged(name, "; ".join(said), findings)


def _period(places: np.ndarray) -> int:
    """After how many batches all come again in the same order; 0 if they do not."""
    back = np.flatnonzero(places == places[0])
    if len(back) < 2:
        return 0
    period = int(back[1])
    ahead = places[:-period] == places[period:]
    return period if ahead.all() else 0


def _by_chance(scan: Scan, equal: int, batches: int) -> bool:
    """Whether rows are equal so often that two batches may be.

    Args:
        scan: of the split.
        equal: pairs of its rows that are equal.
        batches: how many there are.
    """
    share = equal / (scan.rows * (scan.rows - 1) / 2)
    chance = scan.batch_rows * math.log(share) + math.lgamma(scan.batch_rows + 1)
    return chance + math.log(batches * (batches - 1) / 2) > math.log(1e-3)
