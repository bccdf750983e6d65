"""A finding as JSON has it."""

from __future__ import annotations

from typing import Any

from jaxdebug.findings import Finding


def finding_record(finding: Finding) -> dict[str, Any]:
    """All that is known of a finding, its page's meaning too."""
    return {
        "code": finding.code,
        "severity": finding.severity,
        "where": finding.where,
        "line": finding.line,
        "message": finding.message,
        "meaning": finding.meaning,
        "remedies": finding.remedies,
        "evidence": dict(finding.evidence),
    }
