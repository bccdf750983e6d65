"""Whether classes have other shares of the rows in another split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxdebug.checks.data import groups
from jaxdebug.checks.data.chance import ALARMS, tail_bound
from jaxdebug.checks.data.classes import Classes
from jaxdebug.checks.data.scan import Scan
from jaxdebug.checks.outcome import Outcome, judged, not_run
from jaxdebug.findings import Severity, found

LABELS_APART = 0.05
"""A class's share of the rows that differs by less is not worth a word."""


def check_label_shift(
    scans: Sequence[Scan], different: Sequence[int], declare: Sequence[str]
) -> Outcome:
    """Say whether classes have other shares of the rows in another split.

    Args:
        scans: of each split.
        different: rows of each sample that are no copies.
        declare: what the user says of the data: of those that are `"time-ordered"` or
            `"resampled"` it is only mentioned.
    """
    name = "label-shift"
    if len(scans) < 2:
        return not_run(name, "give `eval` or `test`")
    if any(scan.classes is None for scan in scans):
        why = "the targets are no class labels"
        return not_run(name, why if scans[0].target is not None else "give `targets`")
    mild = "time-ordered" in declare or "resampled" in declare
    findings, said = [], []
    for pair in groups.pairs_of(len(scans)):
        one, other = (scans[at] for at in pair)
        if one.classes is None or other.classes is None:
            continue
        values = np.union1d(one.classes.values, other.classes.values)
        mine, theirs = (
            _counts(known, values) for known in (one.classes, other.classes)
        )
        rows = [_independent(scans[at], different[at]) for at in pair]
        apart = np.abs(mine / mine.sum() - theirs / theirs.sum())
        wrong = [
            at
            for at in np.flatnonzero(apart >= LABELS_APART)
            if _chance(mine[at] / mine.sum(), theirs[at] / theirs.sum(), *rows)
            <= ALARMS / (2 * len(values))
        ]
        if wrong:
            most = max(wrong, key=lambda at: apart[at])
            where = other.fields[other.target or 0]
            findings.append(
                found(
                    "shifted-labels",
                    where.of(other.name),
                    f"class {values[most]} is {theirs[most] / theirs.sum():.1%} of "
                    f"{other.name} and {mine[most] / mine.sum():.1%} of {one.name}; "
                    f"{len(wrong)} classes of {len(values)} differ",
                    severity=Severity.INFO if mild else None,
                    evidence={"class": int(values[most]), "apart": float(apart[most])},
                )
            )
        said.append(
            f"shares of a class in {one.name} and {other.name} at most "
            f"{apart.max():.3f} apart, {len(wrong)} of them beyond {LABELS_APART} and "
            "chance"
        )
    return judged(name, "; ".join(said), findings)


def _counts(classes: Classes, values: np.ndarray) -> np.ndarray:
    counts = np.zeros(len(values), np.int64)
    counts[np.searchsorted(values, classes.values)] = classes.counts
    return counts


def _independent(scan: Scan, different: int) -> int:
    """Rows of a split; if it draws some again and again, those that were sampled."""
    return scan.rows if different == len(scan.sample.rows) else different


def _chance(share: float, other: float, rows: int, others: int) -> float:
    """A bound on the chance that a class is dealt out so unevenly.

    Args:
        share: of the rows of one split that are of the class.
        other: of the rows of the other.
        rows: of the one.
        others: of the other.
    """
    mine, theirs, part = share * rows, other * others, rows / (rows + others)
    total = mine + theirs
    return min(tail_bound(mine, total, part), tail_bound(theirs, total, 1 - part))
