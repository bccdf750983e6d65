"""Whether a split was normalized by its own mean and spread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxdebug.checks.data.columns import Columns
from jaxdebug.checks.data.fields import INPUT
from jaxdebug.checks.data.scan import Scan
from jaxdebug.checks.outcome import Outcome, judged, not_run
from jaxdebug.findings import found

EXACT = 0.01
"""A mean within this part of its standard error of zero, and a spread as near to one:
chance makes both in about one of 10,000 columns."""

LEAST_ROWS = 30


def check_own_scale(scans: Sequence[Scan]) -> Outcome:
    """Say whether the mean of another split than the first is 0 and its spread is 1.

    Args:
        scans: of each split, the training split first.
    """
    if len(scans) < 2:
        return not_run("own-scale", "give `eval` or `test`")
    findings = []
    looked = 0
    for scan in scans[1:]:
        for at in scan.of_role(INPUT):
            field, columns = scan.fields[at], scan.columns[at]
            if field.dtype.kind != "f" or scan.cut or scan.rows < LEAST_ROWS:
                continue
            looked += 1
            if np.array_equal(scans[0].columns[at].hashes, columns.hashes):
                continue  # the training split itself, which `leakage` says
            if what := _normalized(columns):
                findings.append(
                    found(
                        "normalized-apart",
                        field.of(scan.name),
                        f"{what} 0 and a standard deviation of 1 over its "
                        f"{scan.rows} rows, to {EXACT:g} of what chance leaves",
                    )
                )
    if not looked:
        return not_run("own-scale", f"no floats of {LEAST_ROWS} rows or more")
    return judged("own-scale", f"{looked} fields looked at", findings)


def _normalized(columns: Columns) -> str | None:
    """What has a mean of 0 and a spread of 1."""
    varied = ~columns.constant & (columns.count > 0)
    # Values of -1 and 1 that are balanced have both by design.
    varied &= np.maximum(-columns.low, columns.high) > 1 + EXACT
    if not varied.any():
        return None
    count, mean = columns.count[varied], columns.mean[varied]
    if _exact(count, mean, columns.squares[varied]).all():
        return "every column has a mean of"
    total = columns.count.sum(keepdims=True)
    middle = (columns.count * columns.mean).sum(keepdims=True) / total
    squares = (
        columns.squares.sum() + (columns.count * (columns.mean - middle) ** 2).sum()
    )
    return "it has a mean of" if _exact(total, middle, squares).all() else None


def _exact(
    count: Float[np.ndarray, " columns"],
    mean: Float[np.ndarray, " columns"],
    squares: Float[np.ndarray, " columns"],
) -> np.ndarray:
    """Whether it is no chance; spreads are divided by all rows or by one less."""
    near = EXACT / np.sqrt(count)
    spreads = np.sqrt(squares / count), np.sqrt(squares / np.maximum(count - 1, 1))
    apart = np.min([np.abs(spread - 1) for spread in spreads], axis=0)
    return (np.abs(mean) < near) & (apart < near)
