"""Whether the splits are drawn from one distribution, as far as each column tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jaxdebug.checks.data import groups
from jaxdebug.checks.data.chance import distances, least_distance, least_lead
from jaxdebug.checks.data.columns import Columns
from jaxdebug.checks.data.fields import INPUT, TARGET, Field
from jaxdebug.checks.data.scan import Scan
from jaxdebug.checks.outcome import Outcome, judged, not_run
from jaxdebug.findings import Finding, Severity, found

LEAST = 0.05
"""A smaller distance is not worth a word, however certain: a shift of a normal
distribution by an eighth of its standard deviation makes it."""

LEAST_LEAD = 0.035
"""The same shift lets one of two rows be the larger so much more often than half the
time."""

FAR, WIDER = 0.5, 1.5
"""Rows with several axes, such as images, are as a rule changed at random for
training: noise, crops and colours move the mean of a channel by less than this part
of its spread, and change the spread by a smaller factor."""

RESCALED = 3.0
"""Splits whose values spread so many times as far are prepared in different ways."""

MOST_COLUMNS, MOST_CHANNELS = 512, 512


class Compared(NamedTuple):
    """How far the columns of a field are apart in two splits."""

    score: float
    """Of the worst column; at 1 it is too far apart."""
    apart: float
    """Its distance."""
    lead: float
    """And its lead."""
    columns: tuple[str, ...]
    """Those that are too far apart, the worst first."""
    limits: tuple[float, float]
    """Of the distance and of the lead."""
    ratio: float
    """Of the spreads of the values, the median over columns."""


def summaries(
    field: Field, block: np.ndarray, split: str
) -> tuple[np.ndarray, list[str]]:
    """What of each row is compared, and the names.

    Of rows with several axes, such as images, the mean and the spread of each channel,
    the last axis: single pixels differ wherever training images are moved about.

    Args:
        field: of the block.
        block: float64[rows, width].
        split: whose it is.

    Returns:
        float64[rows, columns], and a name for each column.
    """
    if len(field.shape) < 2:
        return block, [field.column(at, split) for at in range(block.shape[1])]
    channels = _channels(field)
    rows = block.reshape(len(block), -1, channels)
    axes = ", ".join([":"] * len(field.shape))
    places = [f"{axes}, {at}" if channels > 1 else "..." for at in range(channels)]
    with np.errstate(invalid="ignore", over="ignore"):
        joined = np.concatenate([rows.mean(1), rows.std(1)], 1)
    names = [
        f"{what} of {field.of(split)}[{at}]"
        for what in ("mean", "spread")
        for at in places
    ]
    return joined, names


def _channels(field: Field) -> int:
    """The last axis; too many are taken together."""
    channels = field.shape[-1] * (2 if field.dtype.kind == "c" else 1)
    return channels if channels <= MOST_CHANNELS else 1


def compare(
    one: Scan, other: Scan, at: int, tests: int, different: tuple[int, int]
) -> Compared:
    """How far a field of two splits is apart.

    Args:
        one: the first split.
        other: the second.
        at: index of the field.
        tests: how many columns are compared in all.
        different: rows of each sample that are no copies.
    """
    field = one.fields[at]
    mine, _ = summaries(field, one.sample.arrays[at], one.name)
    theirs, names = summaries(field, other.sample.arrays[at], other.name)
    picked = _picked(mine, theirs)
    apart, lead = distances(mine[:, picked], theirs[:, picked])
    sizes = *different, 2 * tests
    limits = max(LEAST, least_distance(*sizes)), max(LEAST_LEAD, least_lead(*sizes))
    scores = np.maximum(apart / limits[0], np.abs(lead) / limits[1])
    order = np.argsort(-scores, kind="stable")
    over = tuple(names[picked[at]] for at in order if scores[at] >= 1)
    worst = order[0]
    measured = float(scores[worst]), float(apart[worst]), float(lead[worst])
    return Compared(*measured, over, limits, _ratio(one, other, at))


def _picked(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Of many columns those whose means differ most, and some others."""
    width = mine.shape[1]
    if width <= MOST_COLUMNS:
        return np.arange(width)
    with np.errstate(all="ignore"):
        spread = np.sqrt(mine.var(0) + theirs.var(0))
        far = np.abs(mine.mean(0) - theirs.mean(0)) / np.where(spread > 0, spread, 1)
    first = np.argsort(-np.nan_to_num(far), kind="stable")[: MOST_COLUMNS // 2]
    rest = np.linspace(0, width - 1, MOST_COLUMNS // 2).astype(int)
    return np.unique(np.concatenate([first, rest]))


def _ratio(one: Scan, other: Scan, at: int) -> float:
    """How many times as far the other's values spread, the median over columns."""
    spreads = []
    for scan in (one, other):
        block = scan.sample.arrays[at]
        clean = np.where(np.isfinite(block), block, 0.0)
        high, low = np.quantile(clean, (0.95, 0.05), axis=0)
        spreads.append(high - low)
    both = (spreads[0] > 0) & (spreads[1] > 0)
    if not both.any():  # of rare values, the quantiles are all zero
        spreads = [np.sqrt(scan.columns[at].variance) for scan in (one, other)]
        both = (spreads[0] > 0) & (spreads[1] > 0)
    return float(np.median(spreads[1][both] / spreads[0][both])) if both.any() else 1.0


def _moved(one: Columns, other: Columns, field: Field) -> bool:
    """Whether the values of a channel lie elsewhere, or spread much further."""
    means, spreads = [], []
    for columns in (one, other):
        mean = columns.mean.reshape(-1, _channels(field))
        variance = columns.variance.reshape(mean.shape)
        means.append(mean.mean(0))
        spreads.append(np.sqrt(variance.mean(0) + mean.var(0)))
    with np.errstate(all="ignore"):
        far = np.abs(means[1] - means[0]) / np.sqrt(
            (spreads[0] ** 2 + spreads[1] ** 2) / 2
        )
        ratio = np.abs(np.log(spreads[1] / spreads[0]))
    return bool((far >= FAR).any() or (ratio >= np.log(WIDER)).any())


def check_shift(
    scans: Sequence[Scan], different: Sequence[int], declare: Sequence[str]
) -> Outcome:
    """Say whether columns of inputs or targets are distributed otherwise.

    Args:
        scans: of each split.
        different: rows of each sample that are no copies.
        declare: what the user says of the data: shifts of data that are
            `"time-ordered"` are only mentioned, and of data that are `"augmented"` or
            `"resampled"` where they are not a matter of scale.
    """
    if len(scans) < 2:
        return not_run("shift", "give `eval` or `test`")
    findings: list[Finding] = []
    said = []
    for one, other in groups.pairs_of(len(scans)):
        first, second = scans[one], scans[other]
        fields = [*first.of_role(INPUT), *first.of_role(TARGET)]
        fields = [at for at in fields if _comparable(first, second, at)]
        tests = sum(_tests(first.fields[at]) for at in fields)
        worst = 0.0
        for at in fields:
            rows = different[one], different[other]
            compared = compare(first, second, at, tests, rows)
            worst = max(worst, compared.score)
            findings += _found(first, second, at, compared, declare)
        said.append(
            f"{first.name} and {second.name} at most {worst:.2f} of the least that "
            "counts apart"
        )
    return judged("shift", "; ".join(said), findings)


def _comparable(one: Scan, other: Scan, at: int) -> bool:
    same = one.fields[at].shape == other.fields[at].shape
    # Of labels the shares of the classes are compared.
    return same and not (one.classes and at == one.target)


def _tests(field: Field) -> int:
    return field.width if len(field.shape) < 2 else 2 * min(field.width, MOST_CHANNELS)


def _found(
    one: Scan, other: Scan, at: int, compared: Compared, declare: Sequence[str]
) -> Iterator[Finding]:
    field = one.fields[at]
    if not compared.columns:
        return
    names = ", ".join(compared.columns[:4])
    more = len(compared.columns) - 4
    listed = names + (f" and {more} more" if more > 0 else "")
    evidence = {
        "distance": compared.apart,
        "lead": compared.lead,
        "limits": compared.limits,
        "columns": len(compared.columns),
        "ratio": compared.ratio,
    }
    declared = "time-ordered" in declare
    ratio = compared.ratio
    if not 1 / RESCALED < ratio < RESCALED:
        yield found(
            "rescaled-split",
            field.of(other.name),
            f"its values spread {ratio:.3g} times as far as those of "
            f"{field.of(one.name)}; the distributions are {compared.apart:.2f} apart",
            severity=Severity.INFO if declared else None,
            evidence=evidence,
        )
        return
    changed = "augmented" in declare or "resampled" in declare
    if len(field.shape) > 1:
        changed = changed or not _moved(one.columns[at], other.columns[at], field)
    yield found(
        "shifted-split",
        field.of(other.name),
        f"{listed}: not distributed as in {one.name}; of the first the distributions "
        f"are {compared.apart:.3f} apart (by chance or without matter up to "
        f"{compared.limits[0]:.3f}), and of two rows that of {other.name} is the "
        f"larger in {0.5 + compared.lead:.1%} (up to {0.5 + compared.limits[1]:.1%})",
        severity=Severity.INFO if declared or changed else None,
        evidence=evidence,
    )
