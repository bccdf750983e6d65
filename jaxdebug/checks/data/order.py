"""Whether rows that follow each other are alike, as in a sorted set."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jaxdebug.checks.data.scan import Scan
from jaxdebug.checks.outcome import Outcome, judged, not_run
from jaxdebug.findings import Finding, Severity, found

ALIKE = 0.2
"""0 is any order, 1 a set that is sorted by its target."""

DEVIATIONS = 6.0
"""Beyond what chance does: one in a billion."""


def likeness(scan: Scan) -> tuple[float, float] | None:
    """How much more alike neighbours are than any two rows, and by chance.

    Returns:
        Cohen's kappa of a label with the one before, or the correlation of the rank of
        a number with that before; and the standard deviation that chance gives it. None
        if the target is neither, or all of one value.
    """
    classes, pairs = scan.classes, scan.rows - 1
    if pairs < 1:
        return None
    if classes is not None:
        chance = float((classes.shares**2).sum())
        if len(classes.values) < 2:
            return None
        agreeing = classes.repeats / pairs
        kappa = (agreeing - chance) / (1 - chance)
        return kappa, math.sqrt(chance / (1 - chance) / pairs)
    if scan.series is not None:
        return scan.series.correlation, 1 / math.sqrt(pairs)
    return None


def check_order(scan: Scan, declare: Sequence[str]) -> Outcome:
    """Say whether the training rows come in an order that depends on the target.

    Of batches it is a warning, because training sees them as they come; one set of rows
    is shuffled later, so that it is only mentioned.
    """
    measured = likeness(scan)
    if measured is None:
        why = "give `targets`" if scan.target is None else "the target is no number"
        return not_run("order", why)
    alike, deviation = measured
    limit = max(ALIKE, DEVIATIONS * deviation)
    findings: list[Finding] = []
    if alike >= limit and scan.target is not None:
        mild = "time-ordered" in declare or not scan.batched
        findings.append(
            found(
                "ordered-rows",
                scan.fields[scan.target].of(scan.name),
                f"the target of a row is like that of the row before: {alike:.2f}, "
                "where 0 is any order and 1 a sorted one",
                severity=Severity.INFO if mild else None,
                evidence={"likeness": alike, "limit": limit},
            )
        )
    said = f"likeness of neighbours {alike:.3f}, judged by {limit:.3f}"
    return judged("order", said, findings, {"likeness": alike})
