"""Rows of one split that are nearly rows of another: found by their sketches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jaxdebug.checks.data import groups
from jaxdebug.checks.data.duplicates import Repeats
from jaxdebug.checks.data.groups import Shared
from jaxdebug.checks.data.row_store import Part, RowStore, sorted_parts
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


class Near(NamedTuple):
    """Rows that are near others, equal rows of a split counted once.

    Attributes:
        rows: int64[rows, 2], split and number of each, the earliest of equal ones.
        pairs: int64[pairs, 2], which two of them are near; no pair twice.
    """

    rows: np.ndarray
    pairs: np.ndarray


def near_rows(stores: Sequence[RowStore]) -> Near | None:
    """Rows whose sketches are near and whose hashes differ.

    Args:
        stores: of each split.

    Returns:
        The rows and pairs; None if there are too many.
    """
    pieces = [np.empty((0, 6), np.int64)]
    count = 0
    for rotation in ROTATIONS:
        for part in sorted_parts(stores, rotation):
            for piece in _near(part):
                pieces.append(piece)
                count += len(piece)
                if count > MOST_PAIRS:
                    return None
    # Split and hash say which row it is, and its number comes last.
    ends = np.concatenate(pieces).reshape(-1, 3)
    kept, places = np.unique(ends[:, :2], axis=0, return_inverse=True)
    numbers = np.full(len(kept), np.iinfo(np.int64).max)
    np.minimum.at(numbers, places, ends[:, 2])
    pairs = np.unique(np.sort(places.reshape(-1, 2), axis=1), axis=0)
    return Near(np.stack([kept[:, 0], numbers], 1), pairs)


def _near(part: Part) -> Iterator[np.ndarray]:
    """Split, hash and number of both rows of each near pair."""
    rows = [part.splits.astype(np.int64), part.hashes.view(np.int64), part.rows]
    # Copies, one behind the other, would hide what comes after them.
    again = (part.hashes[1:] == part.hashes[:-1]) & (
        part.splits[1:] == part.splits[:-1]
    )
    kept = np.flatnonzero(np.r_[True, ~again][: len(part.keys)])
    keys, hashes = part.keys[kept], part.hashes[kept]
    for step in range(1, NEIGHBOURS + 1):
        near = np.bitwise_count(keys[step:] ^ keys[:-step]) <= APART
        at = np.flatnonzero(near & (hashes[step:] != hashes[:-step]))
        ends = kept[at], kept[at + step]
        yield np.stack([each[end] for end in ends for each in rows], 1)


def near_groups(near: Near) -> np.ndarray:
    """The number of each row's group: chains of near pairs are one group."""
    one, other = near.pairs.T
    labels = np.arange(len(near.rows))
    while True:
        least = np.minimum(labels[one], labels[other])
        before = labels.copy()
        np.minimum.at(labels, one, least)
        np.minimum.at(labels, other, least)
        labels = labels[labels]
        if (labels == before).all():
            return np.unique(labels, return_inverse=True)[1]


def check_near_duplicates(scans: Sequence[Scan], repeats: Repeats) -> Outcome:
    """Say whether rows of one split are nearly rows of another, more than at random.

    Args:
        scans: of each split.
        repeats: of their rows; equal ones of a split count once.
    """
    name = "near-duplicates"
    if len(scans) < 2:
        return not_run(name, "give `eval` or `test`")
    near = near_rows([one.store for one in scans])
    if near is None:
        return not_run(name, "rows are near each other everywhere: nothing can be told")
    group, (splits, rows) = near_groups(near), near.rows.T
    counts = groups.counted(group, splits, len(scans))
    distinct = [
        scan.rows - repeated
        for scan, repeated in zip(scans, repeats.repeated, strict=True)
    ]
    findings, said = [], []
    for one, other in groups.pairs_of(len(scans)):
        names = scans[one].name, scans[other].name
        shared = Shared()
        if len(counts):
            share = distinct[one] / (distinct[one] + distinct[other])
            both = shared.add(counts[:, one], counts[:, other], share)
            groups.add_examples(shared, (one, other), group, splits, rows, both)
        said.append(
            f"{shared.both} groups in {names[0]} and {names[1]}, "
            f"{shared.expected:.3g} expected at random"
        )
        if shared.chance <= ALARMS:
            findings.append(
                found(
                    "near-duplicates",
                    names[1],
                    f"{shared.rows} of {scans[other].rows} rows are nearly rows of "
                    f"{names[0]}: {groups.listed(names, shared.examples)}; in "
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
