"""Values that are not finite, and in which rows they stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jaxdebug.checks.data.columns import Columns
from jaxdebug.checks.data.fields import TARGET, Field
from jaxdebug.checks.data.scan import Scan
from jaxdebug.checks.outcome import Outcome, judged
from jaxdebug.findings import Finding, Severity, found


def check_finite(scans: Sequence[Scan]) -> Outcome:
    """Say which fields hold NaN or infinite values, and in which rows.

    Infinities of a column whose finite values are all one are a mask, and only
    mentioned.
    """
    findings: list[Finding] = []
    values = wrong = 0
    for scan in scans:
        for field, columns in zip(scan.fields, scan.columns, strict=True):
            bad = int(columns.nan.sum()), int(columns.infinite.sum())
            values += int(columns.count.sum()) + sum(bad)
            wrong += sum(bad)
            findings += _findings(scan.name, field, columns)
    said = f"{wrong} of {values:,} values are not finite"
    return judged("finite", said, findings, {"nonfinite": wrong, "values": values})


def _findings(split: str, field: Field, columns: Columns) -> Iterator[Finding]:
    for what, counts in (("NaN", columns.nan), ("infinite", columns.infinite)):
        count = int(counts.sum())
        if not count:
            continue
        masks = columns.low[counts > 0] >= columns.high[counts > 0]
        mask = what == "infinite" and field.role != TARGET and masks.all()
        first = [one for one in columns.bad if one.what == what]
        rows = ", ".join(str(one.row) for one in first)
        more = " and others" if count > len(first) else ""
        in_rows = f" in {columns.bad_rows} rows" if what == "NaN" else ""
        place = field.column(first[0].column) if first and field.shape else ""
        yield found(
            "nonfinite-data",
            field.of(split),
            f"{count} values{in_rows} are {what}, in row {rows}{more}"
            + (f", the first in {place}" if place else ""),
            severity=Severity.INFO if mask else Severity.ERROR,
            evidence={
                "count": count,
                "rows": [one.row for one in first],
                "columns": int((counts > 0).sum()),
            },
        )
