"""One thing a check found: a stable code, where, the evidence, what to try."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxdebug.findings.codes import PAGES, page_of
from jaxdebug.findings.severity import Severity


@dataclass(frozen=True)
class Finding:
    """One thing a check found.

    Attributes:
        code: a stable name whose meaning never changes, such as
            `"nonfinite-data"`.
        severity: error, warning or info.
        where: the parameter, layer or field, in the user's spelling.
        message: what was found, with its numbers.
        remedies: what to try, most useful first.
        evidence: the numbers, for machines.
        line: the user's `file:line`, where it is known.
    """

    code: str
    severity: Severity
    where: str
    message: str
    remedies: tuple[str, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    line: str | None = None

    @property
    def meaning(self) -> str:
        """What the code means, from its page."""
        return PAGES[self.code].meaning if self.code in PAGES else ""


def found(
    code: str,
    where: str,
    message: str,
    *,
    severity: Severity | None = None,
    remedies: tuple[str, ...] | None = None,
    line: object = None,
    evidence: Mapping[str, Any] | None = None,
) -> Finding:
    """A finding with the severity and the remedies of its page.

    Args:
        code: one that has a page.
        where: the parameter, layer or field, in the user's spelling.
        message: what was found, with its numbers; no full stop at the end.
        severity: in place of the page's.
        remedies: in place of the page's.
        line: the user's source line, if it is known; anything that prints as
            `file:line`.
        evidence: the numbers and the thresholds.

    Raises:
        ValueError: if the code has no page.
    """
    page = page_of(code)
    return Finding(
        code,
        page.severity if severity is None else severity,
        where,
        message,
        page.remedies if remedies is None else remedies,
        {} if evidence is None else evidence,
        None if line is None else str(line),
    )


def finding_of(record: Mapping[str, Any]) -> Finding:
    """The finding that was written down as a record of its attributes.

    Raises:
        KeyError, TypeError, ValueError: if the record is of something else.
    """
    line, remedies = record["line"], tuple(record["remedies"])
    words = [record[name] for name in ("code", "where", "message")]
    if not all(isinstance(text, str) for text in (*words, *remedies, line or "")):
        raise ValueError("expected a finding's words to be text")
    return Finding(
        record["code"],
        Severity(record["severity"]),
        record["where"],
        record["message"],
        remedies,
        dict(record["evidence"]),
        line,
    )


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Findings by severity; those of one severity stay in their order."""
    order = list(Severity)
    return sorted(findings, key=lambda finding: order.index(finding.severity))
