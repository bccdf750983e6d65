"""Rows of one split that are nearly rows of another: found by their sketches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxdebug.checks.data import groups
from jaxdebug.checks.data.groups import Shared
from jaxdebug.checks.data.row_store import RowStore, sorted_parts
from jaxdebug.checks.data.scan import Scan
from jaxdebug.checks.outcome import Outcome, judged, not_run
from jaxdebug.findings import found

APART = 2
"""Bits by which the sketches of near rows differ at most."""

ROTATIONS = (0, 12, 24, 36)
"""Near rows stand next to each other in the order of the sketches, if the bits that
differ are not the first: that holds for most of these orders."""

NEIGHBOURS = 4
"""Each row is compared with so many that follow it."""

ALARMS = 1e-4
"""How often chance may find so many near rows across splits."""

MOST_PAIRS = 400_000
"""Beyond, rows are near each other everywhere, and nothing can be told."""


def near_pairs(stores: Sequence[RowStore]) -> np.ndarray | None:
    """Pairs of rows whose sketches are near and whose hashes differ.

    Args:
        stores: of each split.

    Returns:
        int64[pairs, 4]: split and row of one, split and row of the other; no pair
        twice. None if there are too many.
    """
    pieces = [np.empty((0, 4), np.int64)]
    count = 0
    for rotation in ROTATIONS:
        for part in sorted_parts(stores, rotation):
            for step in range(1, NEIGHBOURS + 1):
                apart = part.keys[step:] ^ part.keys[:-step]
                near = np.bitwise_count(apart) <= APART
                near &= part.hashes[step:] != part.hashes[:-step]
                at = np.flatnonzero(near)
                ends = [(part.splits[i], part.rows[i]) for i in (at, at + step)]
                pieces.append(np.stack([*ends[0], *ends[1]], 1).astype(np.int64))
                count += len(at)
                if count > MOST_PAIRS:
                    return None
    pairs = np.concatenate(pieces)
    swap = (pairs[:, 0] > pairs[:, 2]) | (
        (pairs[:, 0] == pairs[:, 2]) & (pairs[:, 1] > pairs[:, 3])
    )
    pairs[swap] = pairs[swap][:, [2, 3, 0, 1]]
    return np.unique(pairs, axis=0)


def near_groups(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of some pairs, those that a chain of pairs joins in one group.

    Args:
        pairs: as of `near_pairs`.

    Returns:
        int64[rows, 2], split and number of each row, and the group of each.
    """
    rows, ends = np.unique(pairs.reshape(-1, 2), axis=0, return_inverse=True)
    one, other = ends.reshape(-1, 2).T
    labels = np.arange(len(rows))
    while True:
        least = np.minimum(labels[one], labels[other])
        before = labels.copy()
        np.minimum.at(labels, one, least)
        np.minimum.at(labels, other, least)
        labels = labels[labels]
        if (labels == before).all():
            return rows, np.unique(labels, return_inverse=True)[1]


def check_near_duplicates(scans: Sequence[Scan]) -> Outcome:
    """Say whether rows of one split are nearly rows of another, more than at random."""
    name = "near-duplicates"
    if len(scans) < 2:
        return not_run(name, "give `eval` or `test`")
    pairs = near_pairs([one.store for one in scans])
    if pairs is None:
        return not_run(name, "rows are near each other everywhere: nothing can be told")
    rows, group = near_groups(pairs)
    counts = groups.counted(group, rows[:, 0], len(scans))
    findings, said = [], []
    for one, other in groups.pairs_of(len(scans)):
        sizes = scans[one].rows, scans[other].rows
        names = scans[one].name, scans[other].name
        shared = Shared()
        if len(counts):
            share = sizes[0] / sum(sizes)
            both = shared.add(counts[:, one], counts[:, other], share)
            ends = group, rows[:, 0], rows[:, 1]
            groups.add_examples(shared, (one, other), *ends, both)
        said.append(
            f"{shared.both} groups in {names[0]} and {names[1]}, "
            f"{shared.expected:.3g} expected at random"
        )
        if shared.chance <= ALARMS:
            findings.append(
                found(
                    "near-duplicates",
                    names[1],
                    f"{shared.rows} of {sizes[1]} rows of {names[1]} are nearly rows "
                    f"of {names[0]}: {groups.listed(names, shared.examples)}; in "
                    f"{shared.both} groups, {shared.expected:.3g} expected at random",
                    evidence={
                        "rows": shared.rows,
                        "groups": shared.both,
                        "expected": shared.expected,
                        "chance": shared.chance,
                    },
                )
            )
    return judged(name, "; ".join(said), findings)
