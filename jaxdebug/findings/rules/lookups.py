"""Lookups of rows that a table does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jaxdebug.findings.finding import Finding, found
from jaxdebug.findings.rules.reading import Measured, Numbers, at, of_kind, whole
from jaxdebug.findings.severity import Severity
from jaxdebug.reports import format_number

if TYPE_CHECKING:
    from jaxdebug.programs.places import Site


def lookup_findings(measured: Measured) -> list[Finding]:
    """A finding on each lookup with an index outside of its table."""
    ruined = any(whole(n, "nonfinite") for _, n in of_kind(measured, "output"))
    return [
        _outside(site, numbers, Severity.ERROR if ruined else Severity.WARNING)
        for site, numbers in of_kind(measured, "lookup")
        if whole(numbers, "outside")
    ]


def _outside(site: Site, numbers: Numbers, severity: Severity) -> Finding:
    outside, rows = whole(numbers, "outside"), int(np.max(numbers["rows"]))
    lookups = outside + whole(numbers, "looked_up")
    return found(
        "lookup-outside",
        site.name,
        f"{format_number(outside)} of {format_number(lookups)} lookups{at(site)} have "
        f"an index outside of the table's {format_number(rows)} rows",
        severity=severity,
        line=site.line,
        evidence={"outside": outside, "lookups": lookups, "rows": rows},
    )
