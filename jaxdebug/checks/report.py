"""What every report offers, whatever it is of."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from jaxdebug.findings import Finding
from jaxdebug.reports import (
    Document,
    Verdict,
    render_html,
    render_json,
    render_text,
    save_report,
)


class ReportFailed(AssertionError):
    """Raised by `raise_if_failed`; the message is the report.

    Attributes:
        report: that failed.
    """

    def __init__(self, report: Report) -> None:
        super().__init__("\n" + report.text(width=100))
        self.report = report

    def __reduce__(self) -> tuple[Any, ...]:
        return ReportFailed, (self.report,)


class Report:
    """Text, JSON and an assertion, from a document and a record.

    A report is a frozen dataclass with a `verdict`, whose `_document` lays it out
    and whose `_record` holds all of it.
    """

    schema: ClassVar[str]
    verdict: Verdict

    def _document(self) -> Document:
        raise NotImplementedError

    def _record(self) -> Mapping[str, Any]:
        raise NotImplementedError

    @property
    def ok(self) -> bool:
        """Whether the verdict is pass."""
        return self.verdict is Verdict.PASS

    def text(self, width: int | None = None, color: bool = False) -> str:
        """The report as text, `width` columns wide."""
        return render_text(self._document(), width=width, color=color)

    def summary(self) -> str:
        """The report in one line: what was examined, and the answer."""
        document = self._document()
        parts = (document.title, document.headline)
        return ": ".join(part for part in parts if part)

    def to_json(self) -> str:
        """The report as JSON; `schema` says which."""
        return render_json(_flat(self._record()), schema=self.schema)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the report to a .txt or .json file; returns its path."""
        return save_report(path, text=self.text(width=100), json=self.to_json())

    def raise_if_failed(self, *, allow_inconclusive: bool = False) -> None:
        """Raise `ReportFailed` with the report's text, unless the verdict is pass."""
        __tracebackhide__ = True  # pytest shows the line of the test, not this one
        allowed = self.verdict is Verdict.INCONCLUSIVE and allow_inconclusive
        if not self.ok and not allowed:
            raise ReportFailed(self)

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return render_html(self.text(width=100))


def finding_records(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """All that is known of some findings, the meaning on their pages too."""
    return [
        {
            "code": finding.code,
            "severity": finding.severity,
            "where": finding.where,
            "line": finding.line,
            "message": finding.message,
            "meaning": finding.meaning,
            "remedies": finding.remedies,
            "evidence": dict(finding.evidence),
        }
        for finding in findings
    ]


def _flat(value: Any) -> Any:
    """Tuples as lists, so that JSON has one kind of sequence."""
    if isinstance(value, Mapping):
        return {name: _flat(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_flat(item) for item in value]
    return value
