"""Rows that are equal: across splits, within one, and with different labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from jaxdebug.checks.data import groups
from jaxdebug.checks.data.chance import ALARMS
from jaxdebug.checks.data.groups import Shared
from jaxdebug.checks.data.masked_rows import told_apart
from jaxdebug.checks.data.row_store import Part, sorted_parts
from jaxdebug.checks.data.scan import Scan
from jaxdebug.checks.data.surprise import are_copies
from jaxdebug.checks.outcome import Outcome, judged, not_run
from jaxdebug.findings import Severity, found

MOST_KEPT = 200
"""Of the repeated rows that were sampled, so many are kept."""

TARGETS = np.uint64(0xFFFF)


@dataclass
class Repeats:
    """The equal rows of several splits.

    Attributes:
        shared: by pair of splits.
        repeated: of each split, rows equal to an earlier one of it.
        pairs: of each split, pairs of rows that are equal.
        conflicts: groups of equal inputs with several targets.
        conflicting: pairs of such rows, each an index of a split and a number.
        sampled: of each pair, numbers of rows of its first split that are in both
            and in the sample.
        conflicts_sampled: the same of conflicting rows, of the first split.
    """

    shared: dict[tuple[int, int], Shared]
    repeated: list[int]
    pairs: list[int]
    conflicts: int = 0
    conflicting: list[tuple[tuple[int, int], tuple[int, int]]] = field(
        default_factory=list
    )
    sampled: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    conflicts_sampled: list[int] = field(default_factory=list)


def repeats_of(scans: Sequence[Scan]) -> Repeats:
    """Find the equal rows of some splits.

    Cost:
        One sort of the hashes, an eighth at a time.
    """
    pairs = groups.pairs_of(len(scans))
    result = Repeats(
        {pair: Shared() for pair in pairs}, [0] * len(scans), [0] * len(scans)
    )
    result.sampled = {pair: [] for pair in pairs}
    for part in sorted_parts([one.store for one in scans], None):
        equal = _equal(part)
        if equal is None:
            continue
        counts = groups.counted(equal.group, equal.splits, len(scans))
        for at in range(len(scans)):
            own = counts[:, at]
            result.repeated[at] += int(np.maximum(own - 1, 0).sum())
            result.pairs[at] += int((own * (own - 1) // 2).sum())
        for pair in pairs:
            one, other = pair
            share = scans[one].rows / (scans[one].rows + scans[other].rows)
            shared = result.shared[pair]
            both = shared.add(counts[:, one], counts[:, other], share)
            groups.add_examples(shared, pair, *equal[:3], both)
            mine = both[equal.group] & (equal.splits == one)
            _keep(result.sampled[pair], equal.rows[mine], scans[one])
        _add_conflicts(result, equal, scans[0])
    return result


class Equal(NamedTuple):
    """Rows that are equal to another one, equal ones next to each other.

    Attributes:
        group: number of each row's group, from 0 on.
        splits: index of the split of each row.
        rows: its number in the split.
        targets: 16 bits of the hash of its targets.
    """

    group: np.ndarray
    splits: np.ndarray
    rows: np.ndarray
    targets: np.ndarray


def _equal(part: Part) -> Equal | None:
    same = part.keys[1:] == part.keys[:-1]
    if not same.any():
        return None
    repeated = np.r_[same, False] | np.r_[False, same]
    group = np.cumsum(np.r_[True, ~same][repeated]) - 1
    splits, rows = part.splits[repeated].astype(np.int64), part.rows[repeated]
    return Equal(group, splits, rows, part.sketches[repeated] & TARGETS)


def _add_conflicts(result: Repeats, equal: Equal, first: Scan) -> None:
    """Count the groups whose targets differ, and name the earliest rows."""
    group, splits, rows, targets = equal
    at = np.flatnonzero((targets[1:] != targets[:-1]) & (group[1:] == group[:-1]))
    apart = np.unique(group[at])
    result.conflicts += len(apart)
    earliest = at[np.lexsort((rows[at], splits[at]))[: groups.EXAMPLES]]
    places = [(int(splits[i]), int(rows[i])) for i in (*earliest, *(earliest + 1))]
    pairs = zip(places[: len(earliest)], places[len(earliest) :], strict=True)
    result.conflicting = sorted([*result.conflicting, *pairs])[: groups.EXAMPLES]
    wrong = np.isin(group, apart) & (splits == 0)
    _keep(result.conflicts_sampled, rows[wrong], first)


def _keep(kept: list[int], rows: np.ndarray, scan: Scan) -> None:
    sampled = np.intersect1d(rows, scan.sample.rows)
    kept += sampled[: max(0, MOST_KEPT - len(kept))].tolist()


def check_leakage(scans: Sequence[Scan], repeats: Repeats) -> Outcome:
    """Say whether inputs of one split are in another too."""
    if len(scans) < 2:
        return not_run("leakage", "give `eval` or `test`")
    findings, said = [], []
    for pair, shared in repeats.shared.items():
        one, other = (scans[at] for at in pair)
        names = one.name, other.name
        said.append(f"{shared.rows} rows of {names[1]} in {names[0]}")
        if not shared.both:
            continue
        copies = are_copies(one, other, repeats.sampled[pair])
        excess = shared.chance <= ALARMS
        expected = f"{shared.expected:.3g} expected at random"
        if excess or (copies and shared.both == shared.groups):
            severity = Severity.ERROR
        else:
            severity = Severity.WARNING if copies else Severity.INFO
        message = (
            f"{shared.rows} of {other.rows} rows of {names[1]} have inputs that are "
            f"in {names[0]} too: {groups.listed(names, shared.examples)}"
        )
        if mask := told_apart(one, other):
            severity = Severity.INFO
            message += f"; {mask} counts other rows in each"
        elif severity is not Severity.ERROR:
            message += f"; {shared.both} groups of equal rows are in both, {expected}"
        findings.append(
            found(
                "leaked-rows",
                names[1],
                message,
                severity=severity,
                evidence={
                    "rows": shared.rows,
                    "share": shared.rows / other.rows,
                    "groups": shared.both,
                    "expected": shared.expected,
                    "chance": shared.chance,
                    "copies": copies,
                },
            )
        )
    numbers = {
        "rows": {
            f"{scans[b].name} in {scans[a].name}": shared.rows
            for (a, b), shared in repeats.shared.items()
        }
    }
    return judged("leakage", "; ".join(said), findings, numbers)


def check_duplicates(scans: Sequence[Scan], repeats: Repeats) -> Outcome:
    """Mention rows of a split whose inputs are those of an earlier row."""
    findings = [
        found(
            "duplicated-rows",
            one.name,
            f"{count} of {one.rows} rows have the inputs of an earlier row",
            evidence={"rows": count, "share": count / one.rows},
        )
        for one, count in zip(scans, repeats.repeated, strict=True)
        if count
    ]
    said = ", ".join(
        f"{count / one.rows:.2%} of {one.name}"
        for one, count in zip(scans, repeats.repeated, strict=True)
    )
    return judged("duplicates", f"repeated rows: {said}", findings)


def check_conflicts(scans: Sequence[Scan], repeats: Repeats) -> Outcome:
    """Say whether equal inputs have different labels."""
    if scans[0].target is None:
        return not_run("conflicting-labels", "give `targets`")
    count, findings = repeats.conflicts, []
    if count:
        labels = scans[0].classes is not None
        copies = are_copies(scans[0], scans[0], repeats.conflicts_sampled)
        rows = ", ".join(
            " and ".join(f"{scans[at].name}[{row}]" for at, row in pair)
            for pair in repeats.conflicting
        )
        findings.append(
            found(
                "conflicting-labels",
                scans[0].fields[scans[0].target].name or "targets",
                f"{count} groups of equal inputs have different targets: {rows}",
                severity=Severity.WARNING if labels and copies else Severity.INFO,
                evidence={"groups": count, "copies": copies},
            )
        )
    return judged("conflicting-labels", f"{count} groups of equal inputs", findings)
