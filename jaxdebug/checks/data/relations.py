"""Whether columns belong together in the same way in every split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxdebug.checks.data import groups
from jaxdebug.checks.data.chance import ALARMS
from jaxdebug.checks.data.classes import labels_of
from jaxdebug.checks.data.fields import INPUT, TARGET
from jaxdebug.checks.data.scan import Scan
from jaxdebug.checks.outcome import Outcome, judged, not_run
from jaxdebug.findings import Finding, Severity, found

LEAST = 0.25
"""Correlations that differ by less are not worth a word, however certain."""

SAME_SPREAD = 0.5
"""A column whose ranks spread less than this part as far in a split as in both is
distributed otherwise, which `shift` says."""

MOST_ROWS, MOST_COLUMNS, MOST_CLASSES = 4096, 256, 32
"""With so many rows chance leaves correlations apart by less than `LEAST`."""


class Related(NamedTuple):
    """The rank correlations of all pairs of columns in two splits."""

    one: Float[np.ndarray, "columns columns"]
    other: Float[np.ndarray, "columns columns"]
    limits: Float[np.ndarray, "columns columns"]
    """Differences that chance does not reach."""

    @property
    def apart(self) -> Float[np.ndarray, "columns columns"]:
        """How far the correlations of a pair differ."""
        return np.abs(self.one - self.other)

    @property
    def over(self) -> Bool[np.ndarray, "columns columns"]:
        """Pairs that belong together otherwise; each is there once."""
        return np.triu((self.apart >= self.limits) & (self.apart >= LEAST), 1)


def related(
    one: Float[np.ndarray, "rows columns"],
    other: Float[np.ndarray, "others columns"],
    different: tuple[int, int],
) -> Related:
    """Compare the rank correlations of columns in two samples.

    Ranks are taken in both samples together and are bounded, so that Bernstein's
    inequality (1924) holds for rare values and heavy tails alike.

    Args:
        one: columns of a sample, NaN counts as the largest value.
        other: of another.
        different: rows of each that are no copies.
    """
    both = _ranks(np.concatenate([one, other]))
    spread = both.std(0)
    parts = []
    for ranks in (both[: len(one)], both[len(one) :]):
        centred = ranks - ranks.mean(0)
        own = centred.std(0)
        fits = (own > 0) & (own >= SAME_SPREAD * spread)
        parts.append(centred / np.where(fits, own, np.inf))
    first, second = (part.T @ part / len(part) for part in parts)
    squares = sum(np.square(part).T @ np.square(part) for part in parts)
    sizes = [len(part) for part in parts]
    mean = np.average([first, second], axis=0, weights=sizes)
    variance = np.maximum(squares / sum(sizes) - mean**2, 0)
    largest = np.max([np.abs(part).max(0) for part in parts], axis=0)
    count = max(1, both.shape[1] * (both.shape[1] - 1) // 2)
    level = math.log(2 * count / ALARMS)
    rows = 1 / sum(1 / max(1, each) for each in different)
    bound = 2 / 3 * level / rows * np.outer(largest, largest)
    return Related(first, second, np.sqrt(2 * level * variance / rows) + bound)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Of each column, from -1 to 1; equal values have the middle of their ranks."""
    ranks = np.empty(values.shape)
    for at, column in enumerate(values.T):
        ordered = np.sort(column)
        below = np.searchsorted(ordered, column, "left")
        upto = np.searchsorted(ordered, column, "right")
        ranks[:, at] = (below + upto) / len(column) - 1
    return ranks


class Compared(NamedTuple):
    """The columns of a split that are compared."""

    values: Float[np.ndarray, "rows columns"]
    names: list[str]


def _columns(scan: Scan, labels: Sequence[int]) -> Compared:
    """Inputs with one axis or none, and the targets; of classes one column for each."""
    blocks: list[np.ndarray] = []
    names: list[str] = []
    sampled = len(scan.sample.rows)
    rows = np.linspace(0, sampled - 1, min(sampled, MOST_ROWS)).astype(int)
    for at in (*scan.of_role(INPUT), *scan.of_role(TARGET)):
        field, block = scan.fields[at], scan.sample.arrays[at][rows]
        if len(field.shape) > 1:
            continue
        if at == scan.target and scan.classes is not None:
            given = labels_of(field, block)
            assert given is not None, "the classes were counted"
            blocks.append((given[:, None] == np.asarray(labels)).astype(float))
            names += [f"{field.name or 'target'} = {label}" for label in labels]
        else:
            blocks.append(block)
            names += [field.column(index) for index in range(field.width)]
    if not blocks:
        return Compared(np.empty((len(rows), 0)), [])
    joined = np.concatenate(blocks, 1)
    picked = np.linspace(0, len(names) - 1, min(len(names), MOST_COLUMNS)).astype(int)
    return Compared(joined[:, picked], [names[at] for at in picked])


def check_relations(
    scans: Sequence[Scan], different: Sequence[int], declare: Sequence[str]
) -> Outcome:
    """Say whether columns of a split are correlated otherwise, targets among them.

    Args:
        scans: of each split.
        different: rows of each sample that are no copies.
        declare: what the user says of the data: of those that are `"time-ordered"`,
            `"augmented"` or `"resampled"` it is only mentioned.
    """
    if len(scans) < 2:
        return not_run("relations", "give `eval` or `test`")
    findings, said = [], []
    for at, other in groups.pairs_of(len(scans)):
        pair = scans[at], scans[other]
        labels = _labels(pair)
        columns = [_columns(scan, labels) for scan in pair]
        names = columns[0].names
        if len(names) < 2 or names != columns[1].names:
            continue
        rows = min(different[at], MOST_ROWS), min(different[other], MOST_ROWS)
        measured = related(columns[0].values, columns[1].values, rows)
        said.append(
            f"{pair[0].name} and {pair[1].name} at most "
            f"{(measured.apart / np.maximum(measured.limits, LEAST)).max():.2f} of the "
            "least that counts apart"
        )
        if measured.over.any():
            findings.append(_found(pair, names, measured, declare))
    if not said:
        return not_run("relations", "rows have less than two columns to compare")
    return judged("relations", "; ".join(said), findings)


def _labels(pair: Sequence[Scan]) -> list[int]:
    """The commonest classes of the first split."""
    classes = pair[0].classes
    if classes is None or pair[1].classes is None:
        return []
    order = np.argsort(-classes.counts, kind="stable")[:MOST_CLASSES]
    return sorted(classes.values[order].tolist())


def _found(
    pair: Sequence[Scan], names: list[str], measured: Related, declare: Sequence[str]
) -> Finding:
    over = measured.over
    worst = np.argsort(-np.where(over, measured.apart, 0), axis=None)[:3]
    listed = "; ".join(
        f"{names[one]} and {names[other]} {measured.one[one, other]:.2f} and "
        f"{measured.other[one, other]:.2f} (by chance up to "
        f"{measured.limits[one, other]:.2f} apart)"
        for one, other in zip(*np.unravel_index(worst, over.shape), strict=True)
        if over[one, other]
    )
    often = (over | over.T).sum(0)
    most = [names[at] for at in np.argsort(-often, kind="stable")[:4] if often[at]]
    meant = {"time-ordered", "augmented", "resampled"} & set(declare)
    return found(
        "unlike-relations",
        pair[1].name,
        f"{int(over.sum())} pairs of columns are correlated otherwise than in "
        f"{pair[0].name}: {listed}. In most of these pairs: {', '.join(most)}",
        severity=Severity.INFO if meant else None,
        evidence={"pairs": int(over.sum()), "apart": float(measured.apart[over].max())},
    )
