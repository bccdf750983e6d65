"""Rows that are equal: across splits, within one, and with different labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from jaxdebug.checks.data import groups
from jaxdebug.checks.data.chance import ALARMS
from jaxdebug.checks.data.groups import Shared
from jaxdebug.checks.data.row_store import sorted_parts
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
        conflicts: groups of equal inputs with several targets.
        conflicting: some rows of such groups: index of the split and number.
        sampled: of each pair, numbers of rows of its first split that are in both
            and in the sample.
        conflicts_sampled: the same of conflicting rows, of the first split.
    """

    shared: dict[tuple[int, int], Shared]
    repeated: list[int]
    conflicts: int = 0
    conflicting: list[tuple[int, int]] = field(default_factory=list)
    sampled: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    conflicts_sampled: list[int] = field(default_factory=list)


def repeats_of(scans: Sequence[Scan]) -> Repeats:
    """Find the equal rows of some splits.

    Cost:
        One sort of the hashes, an eighth at a time.
    """
    pairs = groups.pairs_of(len(scans))
    result = Repeats({pair: Shared() for pair in pairs}, [0] * len(scans))
    result.sampled = {pair: [] for pair in pairs}
    for part in sorted_parts([one.store for one in scans], None):
        keys = part.keys
        if len(keys) < 2:
            continue
        same = keys[1:] == keys[:-1]
        repeated = np.r_[same, False] | np.r_[False, same]
        if not repeated.any():
            continue
        starts = np.r_[True, ~same][repeated]
        group = np.cumsum(starts) - 1
        splits = part.splits[repeated].astype(np.int64)
        rows = part.rows[repeated]
        counts = groups.counted(group, splits, len(scans))
        for at in range(len(scans)):
            result.repeated[at] += int(np.maximum(counts[:, at] - 1, 0).sum())
        for pair in pairs:
            one, other = pair
            sizes = scans[one].rows, scans[other].rows
            share = sizes[0] / sum(sizes)
            shared = result.shared[pair]
            both = shared.add(counts[:, one], counts[:, other], share)
            groups.add_examples(shared, pair, group, splits, rows, both)
            mine = rows[both[group] & (splits == one)]
            _keep(result.sampled[pair], mine, scans[one])
        labels = part.sketches[repeated] & TARGETS
        apart = np.zeros(len(counts), bool)
        changes = (labels[1:] != labels[:-1]) & ~starts[1:]
        apart[group[1:][changes]] = True
        result.conflicts += int(apart.sum())
        wrong = np.flatnonzero(apart[group])
        room = groups.EXAMPLES - len(result.conflicting)
        result.conflicting += [
            (int(splits[at]), int(rows[at])) for at in wrong[: max(0, room)]
        ]
        first = wrong[splits[wrong] == 0]
        _keep(result.conflicts_sampled, rows[first], scans[0])
    return result


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
        alike = f"{shared.expected:.3g} groups of equal rows expected at random"
        if excess or (copies and shared.both == shared.groups):
            severity = Severity.ERROR
        else:
            severity = Severity.WARNING if copies else Severity.INFO
        message = (
            f"{shared.rows} of {other.rows} rows of {names[1]} have inputs that are "
            f"in {names[0]} too: {groups.listed(names, shared.examples)}"
        )
        if severity is not Severity.ERROR:
            message += f"; {shared.both} groups are in both, {alike}"
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
        rows = ", ".join(f"{scans[at].name}[{row}]" for at, row in repeats.conflicting)
        findings.append(
            found(
                "conflicting-labels",
                scans[0].fields[scans[0].target].name or "targets",
                f"{count} groups of equal inputs have different targets, among "
                f"them the rows {rows}",
                severity=Severity.WARNING if labels and copies else Severity.INFO,
                evidence={"groups": count, "copies": copies},
            )
        )
    return judged("conflicting-labels", f"{count} groups of equal inputs", findings)
