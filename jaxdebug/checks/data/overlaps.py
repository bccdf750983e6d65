"""Windows of one series that overlap across splits."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from jaxdebug.checks.data.fields import INPUT, Field
from jaxdebug.checks.data.groups import pairs_of
from jaxdebug.checks.data.row_hashes import multipliers, spread, words_of
from jaxdebug.checks.data.scan import Scan
from jaxdebug.checks.outcome import Outcome, judged, not_run
from jaxdebug.findings import Finding, found

NAME = "overlapping-windows"

SHORTEST = 8
"""Positions of a row, below which half of them may be equal by chance."""

MOST = 1 << 22
"""Pieces of rows of a split that are looked at, at most."""

SHARE = 0.05
"""Of the rows of a split, what may overlap where it was cut in time without a gap."""

CHANCE = 1e-6
"""How often pieces may be equal by chance."""


def check_overlaps(scans: Sequence[Scan]) -> Outcome:
    """Look for pieces of half a row that stand elsewhere in rows of another split.

    Rows that are windows of one series share such pieces, moved along the axis of time
    by where the window begins. Equal pieces at one place are no sign of it: columns of
    a table may repeat.

    Args:
        scans: of each split; their samples are looked at.
    """
    if len(scans) < 2:
        return not_run(NAME, "give `eval` or `test`")
    series = [
        at
        for at in scans[0].of_role(INPUT)
        if _is_series(scans[0].fields[at])
        and len({one.fields[at].shape for one in scans}) == 1
    ]
    if not series:
        return not_run(NAME, "no input has rows of floating numbers along an axis")
    findings: list[Finding] = []
    most = 0.0
    for at in series:
        field = scans[0].fields[at]
        length = field.shape[0] // 2
        pieces = [_pieces(one, at, length) for one in scans]
        for one, other in pairs_of(len(scans)):
            if _chance(scans[one].sample.arrays[at], field, length) > CHANCE:
                continue
            share = _share(pieces[one], pieces[other])
            most = max(most, share)
            if share > SHARE:
                findings.append(
                    found(
                        NAME,
                        field.of(scans[other].name),
                        f"{share:.0%} of the rows share {length} positions or more of "
                        f"{field.shape[0]} with rows of {scans[one].name}, at another "
                        "place of the row",
                        evidence={"share": share, "positions": length},
                    )
                )
    said = f"at most {most:.1%} of the rows of a split, judged by {SHARE:.0%}"
    return judged(NAME, said, findings, {"share": most})


def _is_series(field: Field) -> bool:
    """Whether rows are numbers along an axis of time; of images there are two axes."""
    long = 1 <= len(field.shape) <= 2 and field.shape[0] >= SHORTEST
    return long and field.dtype.kind not in "biuc"


def _pieces(scan: Scan, at: int, length: int) -> np.ndarray:
    """A hash of each piece of each row of the sample.

    The hash of a piece does not depend on where it stands: sums of words, each times a
    power of an odd number, are differences of sums from the start of the row, divided
    by the power at which the piece begins, modulo 2^64.

    Returns:
        uint64[rows, places].
    """
    times = scan.fields[at].shape[0]
    places = times - length + 1
    block = scan.sample.arrays[at][: max(1, MOST // places)]
    words = words_of(block, block).reshape(len(block), times, -1)
    columns = multipliers(words.shape[2], 0, at)
    (odd,) = multipliers(1, 0, 1 << 11)
    with np.errstate(over="ignore"):
        steps = spread(np.einsum("ijk,k->ij", words, columns))
        powers = np.multiply.accumulate(np.full(times, odd))
        sums = np.zeros((len(block), times + 1), np.uint64)
        np.cumsum(steps * powers, axis=1, out=sums[:, 1:])
        inverse = np.uint64(pow(int(odd), -1, 1 << 64))
        inverses = np.multiply.accumulate(np.full(times, inverse))
        return spread((sums[:, length:] - sums[:, :places]) * inverses[:places])


def _share(first: np.ndarray, second: np.ndarray) -> float:
    """Of the rows of the second, those with a piece of the first at another place."""
    width = first.shape[1]
    order = np.argsort(first, axis=None, kind="stable")
    hashes, places = first.ravel()[order], order % width
    starts = np.flatnonzero(np.r_[True, hashes[1:] != hashes[:-1]])
    every = hashes[starts]
    low, high = np.minimum.reduceat(places, starts), np.maximum.reduceat(places, starts)
    at = np.searchsorted(every, second).clip(max=every.size - 1)
    own = np.arange(width)
    elsewhere = (low[at] != own) | (high[at] != own)
    return float(((every[at] == second) & elsewhere).any(1).mean())


def _chance(block: np.ndarray, field: Field, length: int) -> float:
    """How often two pieces are equal, were their steps drawn one by one.

    A step is told by its value and by what it adds: smooth or flat series repeat the
    one, series of few levels both.
    """
    steps = block.reshape(len(block), field.shape[0], -1)
    values = steps.reshape(-1, steps.shape[-1])
    changes = np.diff(steps, axis=1).reshape(-1, steps.shape[-1])
    same = max(_collisions(values), _collisions(changes))
    pairs = float(len(block)) ** 2 * field.shape[0] ** 2
    return pairs * math.exp((length - 1) * math.log(max(same, 1e-12)))


def _collisions(rows: np.ndarray) -> float:
    """How often two of these rows are equal."""
    _, counts = np.unique(rows, axis=0, return_counts=True)
    return float(np.square(counts / counts.sum()).sum())
