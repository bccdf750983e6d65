"""Whether class labels are in range, which classes are empty, and how even they are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from jaxdebug.checks.data.chance import ALARMS
from jaxdebug.checks.data.classes import Classes
from jaxdebug.checks.data.scan import Scan
from jaxdebug.checks.outcome import Outcome, judged, not_run
from jaxdebug.findings import Finding, Severity, found

UNEVEN = 10.0
"""The commonest class has so many times the rows of the rarest."""

CHANCE = 1e-6
"""An empty class is a mistake if chance leaves it empty less often, were it `RARER`
times as rare as the rarest of the others."""

RARER = 3


def check_labels(scans: Sequence[Scan], num_classes: int | None) -> Outcome:
    """Say whether labels are outside of the classes, and which classes have no row.

    Args:
        scans: of each split, the training split first.
        num_classes: as many as the model has; None takes the largest label.
    """
    train = scans[0]
    if train.target is None:
        return not_run("labels", "give `targets`, one array")
    if train.classes is None:
        return not_run("labels", "the targets are no class labels")
    findings: list[Finding] = []
    for scan in scans:
        if scan.classes is not None:
            findings += _outside(scan, scan.classes, num_classes)
    findings += _empty(train, train.classes, num_classes)
    for scan in scans[1:]:
        if scan.classes is not None:
            findings += _unseen(train, train.classes, scan, scan.classes)
    values = train.classes.values
    said = f"{len(values)} classes from {values[0]} to {values[-1]}"
    return judged("labels", said, findings, {"classes": len(values)})


def _where(scan: Scan) -> str:
    return scan.fields[scan.target or 0].of(scan.name)


def _outside(
    scan: Scan, classes: Classes, num_classes: int | None
) -> Iterator[Finding]:
    values = classes.values
    if num_classes is None:
        wrong, allowed = values < 0, "0 or more"
    else:
        wrong = (values < 0) | (values >= num_classes)
        allowed = f"0 to {num_classes - 1}"
    if not wrong.any():
        return
    count = int(classes.counts[wrong].sum())
    listed = ", ".join(map(str, values[wrong][:5]))
    yield found(
        "labels-out-of-range",
        _where(scan),
        f"{count} of {classes.rows} labels are {listed}; expected {allowed}",
        severity=Severity.INFO if num_classes is None else Severity.ERROR,
        evidence={"count": count, "values": values[wrong][:20].tolist()},
    )


def _empty(scan: Scan, classes: Classes, num_classes: int | None) -> Iterator[Finding]:
    values = classes.values
    of = num_classes or classes.width or int(values[-1]) + 1
    if values[0] < 0 or values[-1] >= of or len(values) < 2:
        return
    count = of - len(values)
    # Numbers with many gaps, such as ages, are no classes that somebody numbered.
    if not count or (num_classes is None and count > max(1, of // 10)):
        return
    empty = np.setdiff1d(np.arange(of), values)
    rarest = int(classes.counts.min())
    certain = rarest >= RARER * math.log(of / CHANCE)
    yield found(
        "empty-class",
        _where(scan),
        f"{count} of {of} classes have no row: {', '.join(map(str, empty[:5]))}; the "
        f"rarest of the others has {rarest}",
        severity=Severity.WARNING if certain else Severity.INFO,
        evidence={"classes": empty[:20].tolist(), "rarest": rarest},
    )


def _unseen(
    train: Scan, known: Classes, scan: Scan, classes: Classes
) -> Iterator[Finding]:
    new = ~np.isin(classes.values, known.values)
    share = scan.rows / (scan.rows + train.rows)
    count = int(classes.counts[new].max(initial=0))
    if not count:
        return
    # Were the rows dealt out at random, all of the class would be here.
    chance = share**count * len(classes.values)
    most = classes.values[new][classes.counts[new].argmax()]
    yield found(
        "unseen-class",
        _where(scan),
        f"{int(new.sum())} classes are in {scan.name} and not in {train.name}; class "
        f"{most} has {count} rows",
        severity=Severity.WARNING if chance <= ALARMS else Severity.INFO,
        evidence={"classes": classes.values[new][:20].tolist(), "chance": chance},
    )


def check_balance(scan: Scan) -> Outcome:
    """Mention classes of which one has far more training rows than another."""
    classes = scan.classes
    if classes is None:
        why = "give `targets`" if scan.target is None else "the targets are no labels"
        return not_run("balance", why)
    most, least = int(classes.counts.argmax()), int(classes.counts.argmin())
    ratio = classes.counts[most] / classes.counts[least]
    findings = []
    if ratio >= UNEVEN:
        findings.append(
            found(
                "imbalanced-classes",
                _where(scan),
                f"class {classes.values[most]} has {classes.shares[most]:.1%} of the "
                f"rows, class {classes.values[least]} {classes.shares[least]:.2%}",
                evidence={"ratio": float(ratio)},
            )
        )
    said = f"the commonest class has {ratio:.3g} times the rows of the rarest"
    return judged("balance", f"{said}, judged by {UNEVEN:g}", findings)
