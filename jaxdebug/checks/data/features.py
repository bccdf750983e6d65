"""Columns that never change, and inputs that are another one again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxdebug.checks.data.fields import INPUT
from jaxdebug.checks.data.scan import Scan
from jaxdebug.checks.outcome import Outcome, judged, not_run
from jaxdebug.findings import found

NAMED = 4


def check_constant(scan: Scan) -> Outcome:
    """Mention columns of the training inputs that have one value in all rows."""
    findings, total, columns = [], 0, 0
    for at in scan.of_role(INPUT):
        field, known = scan.fields[at], scan.columns[at]
        constant = np.flatnonzero(known.constant)
        total, columns = total + len(constant), columns + field.width
        if len(constant) and scan.rows > 1:
            names = _listed([field.column(int(i), scan.name) for i in constant])
            findings.append(
                found(
                    "constant-feature",
                    field.of(scan.name),
                    f"{len(constant)} of {field.width} columns have one value in all "
                    f"{scan.rows} rows: {names}",
                    evidence={"columns": constant.tolist()[:100]},
                )
            )
    said = f"{total} of {columns} columns of {scan.name}"
    return judged("constant-features", said, findings, {"columns": total})


def check_constant_target(scan: Scan) -> Outcome:
    """Say whether all training rows have one and the same target."""
    name = "constant-target"
    at = scan.target
    if at is None:
        return not_run(name, "give `targets`, one array")
    field, known = scan.fields[at], scan.columns[at]
    constant = np.flatnonzero(known.constant)
    one = known.constant.all() and known.low.min() == known.high.max()
    said = f"{len(constant)} of {field.width} columns of the target never change"
    findings = []
    if scan.rows > 1 and one:
        words = f"it is {known.low[0]:g} in all {scan.rows} rows"
        findings.append(found(name, field.of(scan.name), words))
    return judged(name, said, findings, {"columns": len(constant)})


def check_duplicated(scan: Scan) -> Outcome:
    """Mention columns of the training inputs that are equal to an earlier one."""
    inputs = scan.of_role(INPUT)
    hashes = np.concatenate([scan.columns[at].hashes for at in inputs])
    varying = ~np.concatenate([scan.columns[at].constant for at in inputs])
    places = [(at, i) for at in inputs for i in range(scan.fields[at].width)]
    kept = np.flatnonzero(varying)
    _, first, inverse = np.unique(hashes[kept], return_index=True, return_inverse=True)
    again = np.flatnonzero(first[inverse] != np.arange(len(kept)))
    findings = []
    if len(again) and scan.rows > 1:
        pairs = []
        for i in again:
            (one, column), (other, earlier) = (
                places[kept[at]] for at in (i, first[inverse[i]])
            )
            names = [
                scan.fields[field].column(index, scan.name)
                for field, index in ((one, column), (other, earlier))
            ]
            pairs.append(f"{names[0]} is {names[1]}")
        findings.append(
            found(
                "duplicated-feature",
                scan.name,
                f"{len(again)} columns are equal to an earlier one: {_listed(pairs)}",
                evidence={"columns": len(again)},
            )
        )
    said = f"{len(again)} of {len(hashes)} columns of {scan.name}"
    return judged("duplicated-features", said, findings, {"columns": len(again)})


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
