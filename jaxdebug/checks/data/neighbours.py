"""Whether neighbouring values of a row, such as pixels, are as alike in each split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxdebug.checks.data.fields import INPUT, Field
from jaxdebug.checks.data.scan import Scan
from jaxdebug.checks.outcome import Outcome, judged, not_run
from jaxdebug.findings import Severity, found

ALIKE = 0.3
"""Correlation of neighbours from which on their order says something."""

LEFT = 0.2
"""Of it there must be so much in the other split; noise of twice the spread of the
values leaves as much, and no crop, flip or change of colour takes any."""

SURE = 6.0
"""Standard errors by which the correlations must differ."""


class Likeness(NamedTuple):
    """The correlation of neighbours in the rows of a split."""

    mean: float
    error: float

    def is_lost_beside(self, other: Likeness) -> bool:
        """Whether hardly anything is left of the other's."""
        sure = other.mean - self.mean > SURE * np.hypot(self.error, other.error)
        return bool(sure and other.mean > ALIKE and self.mean < LEFT * other.mean)


def likeness(field: Field, block: Float[np.ndarray, "rows width"]) -> Likeness:
    """How alike neighbours are, along all axes of a row but the last, of channels.

    Args:
        field: of the block, with two axes or more.
        block: rows of a split.
    """
    rows = block.reshape(len(block), *field.shape)
    axes = tuple(range(1, rows.ndim - 1))
    rows = np.nan_to_num(rows - rows.mean(axes, keepdims=True))
    own = (rows**2).mean(tuple(range(1, rows.ndim)))
    shared = []
    for axis in axes:
        if rows.shape[axis] < 2:
            continue
        along = np.moveaxis(rows, axis, 1)
        products = along[:, 1:] * along[:, :-1]
        shared.append(products.mean(tuple(range(1, rows.ndim))))
    varied = own > 0
    if not shared or not varied.any():
        return Likeness(0.0, np.inf)
    each = np.mean(shared, axis=0)[varied] / own[varied]
    return Likeness(float(each.mean()), float(each.std() / len(each) ** 0.5))


def check_neighbours(scans: Sequence[Scan], declare: Sequence[str]) -> Outcome:
    """Say whether rows of one split are scrambled.

    Args:
        scans: of each split.
        declare: what the user says of the data: of those that are `"augmented"` it is
            only mentioned.
    """
    if len(scans) < 2:
        return not_run("neighbours", "give `eval` or `test`")
    severity = Severity.INFO if "augmented" in declare else None
    findings, said = [], []
    for at in scans[0].of_role(INPUT):
        splits = {
            scan.fields[at].of(scan.name): likeness(
                scan.fields[at], scan.sample.arrays[at]
            )
            for scan in scans
            if _has_neighbours(scan.fields[at])
        }
        said += [f"{name} {each.mean:.2f}" for name, each in splits.items()]
        best = max(splits, key=lambda name: splits[name].mean, default="")
        for name, each in splits.items():
            if each.is_lost_beside(splits[best]):
                message = (
                    f"neighbouring values are correlated by {each.mean:.2f}, those of "
                    f"{best} by {splits[best].mean:.2f}"
                )
                evidence = {"correlation": each.mean, "other": splits[best].mean}
                findings.append(
                    found(
                        "scrambled-split",
                        name,
                        message,
                        severity=severity,
                        evidence=evidence,
                    )
                )
    if not said:
        return not_run("neighbours", "no rows of inputs have several axes")
    return judged("neighbours", f"correlated by {', '.join(said)}", findings)


def _has_neighbours(field: Field) -> bool:
    return len(field.shape) > 1 and field.dtype.kind != "c"
