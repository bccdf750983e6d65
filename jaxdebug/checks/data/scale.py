"""Whether inputs and targets have the size that initial weights are made for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jaxdebug.checks.data.columns import Columns
from jaxdebug.checks.data.fields import INPUT, TARGET, Field
from jaxdebug.checks.data.scan import Scan
from jaxdebug.checks.outcome import Outcome, judged
from jaxdebug.findings import Finding, Severity, found

LARGE, SMALL = 10.0, 0.02
"""Beyond these, the outputs of a first layer are as many times too large or small as
usual initial weights expect inputs of about 1."""

UNEVEN = 1000.0
"""Columns whose sizes differ by so much need learning rates that differ by more."""

LINEAR = "linear"
FIRST_LAYERS = (LINEAR, "normalization", "embedding")
"""What the model can do with the inputs first."""


def sizes(columns: Columns) -> np.ndarray:
    """The root mean square of the values of each column that are not zero.

    Zeros are left out: of one-hot and other sparse rows they say nothing of the scale.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        squares = columns.squares + columns.count * columns.mean**2
        return np.sqrt(squares / np.maximum(columns.nonzero, 1))


def size(columns: Columns) -> float:
    """The same of all columns together."""
    with np.errstate(over="ignore", invalid="ignore"):
        squares = (columns.squares + columns.count * columns.mean**2).sum()
        return float(np.sqrt(squares / max(1, columns.nonzero.sum())))


def check_scale(scan: Scan, first_layer: str | None) -> Outcome:
    """Say whether the values of a field are far larger or smaller than 1.

    Args:
        scan: of the training split.
        first_layer: what the model does first with the inputs: `"linear"`, a dense
            layer or a convolution, makes it a warning; `"normalization"` and
            `"embedding"` do not mind; None leaves it at a mention.
    """
    findings: list[Finding] = []
    said = []
    for field, columns in zip(scan.fields, scan.columns, strict=True):
        if not _is_judged(field, first_layer) or not columns.nonzero.any():
            continue
        measured = size(columns)
        said.append(f"{field.name or scan.name} {measured:.3g}")
        findings += _findings(scan, field, columns, measured, first_layer)
    listed = ", ".join(said[:4]) or "no field is judged"
    return judged("scale", f"size {listed}; from {SMALL:g} to {LARGE:g}", findings)


def _is_judged(field: Field, first_layer: str | None) -> bool:
    if field.role == TARGET:
        return field.dtype.kind not in "biu"
    if field.role != INPUT or field.dtype.kind == "b":
        return False
    # Whole numbers of more than a byte may be tokens, if nothing is said of them.
    numbers = field.dtype.kind not in "iu" or field.dtype.itemsize == 1
    return numbers or first_layer == LINEAR


def _findings(
    scan: Scan, field: Field, columns: Columns, measured: float, first: str | None
) -> Iterator[Finding]:
    evidence = {"size": measured, "low": SMALL, "high": LARGE}
    outside = not SMALL <= measured <= LARGE
    low, high = columns.low.min(), columns.high.max()
    values = f"values from {low:.3g} to {high:.3g}, of size {measured:.3g}"
    if field.role == TARGET:
        if outside:
            yield found("target-scale", field.of(scan.name), values, evidence=evidence)
        return
    if first not in (None, LINEAR):
        return
    if outside:
        yield found(
            "input-scale",
            field.of(scan.name),
            f"{values}, where a first layer expects about 1",
            severity=Severity.WARNING if first == LINEAR else Severity.INFO,
            evidence=evidence,
        )
    each = sizes(columns)
    used = np.flatnonzero((each > 0) & ~columns.constant)
    if len(used) > 1 and each[used].max() >= UNEVEN * each[used].min():
        most, least = used[each[used].argmax()], used[each[used].argmin()]
        yield found(
            "uneven-features",
            field.of(scan.name),
            f"{field.column(int(most), scan.name)} has the size {each[most]:.3g}, "
            f"{field.column(int(least), scan.name)} {each[least]:.3g}",
            evidence={"largest": float(each[most]), "smallest": float(each[least])},
        )
