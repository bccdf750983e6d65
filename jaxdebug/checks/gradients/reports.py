"""What a gradient check found at many examples: values on the host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from jaxdebug.checks.gradients.report import GradientReport
from jaxdebug.checks.report import Report, finding_records
from jaxdebug.checks.report_parts import cut, finding_sections
from jaxdebug.findings import Finding
from jaxdebug.findings.finding import worst_first
from jaxdebug.findings.parts import listed
from jaxdebug.reports import WORST_FIRST, Column, Document, Section, Verdict


@dataclass(frozen=True)
class GradientReports(Report):
    """Whether a gradient is right at each of many examples.

    Attributes:
        name: of the function.
        over: `examples` or `batches`.
        verdict: the worst of all.
        reports: of each example, in their order.
        seconds: with compilation.
    """

    schema: ClassVar[str] = "jaxdebug.gradients-over/1"

    name: str
    over: str
    verdict: Verdict
    reports: tuple[GradientReport, ...]
    seconds: float

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Each finding once, with the examples that have it."""
        places: dict[tuple[str, str], list[int]] = {}
        first: dict[tuple[str, str], Finding] = {}
        for index, report in enumerate(self.reports):
            for finding in report.findings:
                key = finding.code, finding.where
                first.setdefault(key, finding)
                places.setdefault(key, []).append(index)
        return tuple(
            worst_first(self._counted(first[key], places[key]) for key in first)
        )

    def having(self, verdict: Verdict | str) -> tuple[int, ...]:
        """Indices of the examples with a verdict."""
        return tuple(i for i, r in enumerate(self.reports) if r.verdict == verdict)

    def _counted(self, finding: Finding, places: Sequence[int]) -> Finding:
        evidence = {**finding.evidence, "examples": list(places)}
        message = f"{finding.message}; {self._in([*map(str, places)])}"
        return replace(finding, message=message, evidence=evidence)

    def _document(self) -> Document:
        counts = [(len(self.having(verdict)), verdict) for verdict in WORST_FIRST]
        parts = [f"{count} {verdict}" for count, verdict in counts if count]
        return Document(
            f"gradients of {self.name} over {len(self.reports)} {self.over}",
            self.verdict,
            ", ".join(parts),
            (
                *finding_sections(self.findings),
                _leaf_section(self.reports, self.over),
                *self._open(),
                Section("Cost", (f"{self.seconds:.1f} s with compilation",)),
            ),
        )

    def _open(self) -> Iterator[Section]:
        where: dict[str, list[str]] = {}
        for index, report in enumerate(self.reports):
            for each in report.unchecked:
                where.setdefault(each, []).append(str(index))
        listing = [
            each if len(some) == len(self.reports) else f"{each}; {self._in(some)}"
            for each, some in where.items()
        ]
        if listing:
            yield Section("Not checked", (), listing=tuple(listing))

    def _in(self, places: Sequence[str]) -> str:
        count = f"{len(places)} of {len(self.reports)} {self.over}"
        return f"in {count} ({listed(places, most=6)})"

    def _record(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "over": self.over,
            "verdict": self.verdict,
            "findings": finding_records(self.findings),
            "reports": [
                {"schema": report.schema, **report._record()} for report in self.reports
            ],
            "seconds": self.seconds,
        }


def _leaf_section(reports: Sequence[GradientReport], over: str) -> Section:
    """Each leaf over all examples: its verdicts, and the worst errors."""
    columns = (
        Column("parameter", "path"),
        Column("verdict", "status"),
        *(Column(str(verdict), "number") for verdict in WORST_FIRST),
        Column("because", "text"),
        Column("error", "number"),
        Column("along", "number"),
        Column("rounding", "number"),
    )
    rows = []
    for leaves in zip(*(report.leaves for report in reports), strict=True):
        counts = [
            sum(leaf.verdict is verdict for leaf in leaves) for verdict in WORST_FIRST
        ]
        worst = min(leaves, key=lambda leaf: WORST_FIRST.index(leaf.verdict))
        sized = [leaf for leaf in leaves if leaf.size > 0 and np.isfinite(leaf.bar)]
        rows.append(
            (
                worst.path,
                str(worst.verdict),
                *counts,
                worst.reason,
                max(leaf.error for leaf in leaves),
                max((leaf.mismatch for leaf in sized), default=None),
                max(leaf.precision for leaf in leaves),
            )
        )
    note = (
        f"How many {over} have each verdict; the reason of the worst, and the largest "
        "errors of all."
    )
    return Section("Gradients", (note,), cut(columns, rows))
