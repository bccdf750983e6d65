"""How a gradient check is laid out: what is wrong first, everything else below."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jaxdebug.checks.gradients.sections import (
    leaf_section,
    passed,
    rule_sections,
)
from jaxdebug.checks.report_parts import cost_section, finding_sections
from jaxdebug.reports import Document, Section, format_number

if TYPE_CHECKING:
    from jaxdebug.checks.gradients.report import GradientReport


def gradient_document(report: GradientReport) -> Document:
    """The document of a gradient check."""
    sections = [
        *finding_sections(report.findings),
        leaf_section(report.leaves),
        *rule_sections(report.rules),
    ]
    second = report.second
    if second is not None:
        parts = [leaf_section(second.leaves)] if second.leaves else []
        sections += [
            replace(part, title=f"{part.title}: second derivatives")
            for part in (*parts, *rule_sections(second.rules))
        ]
    twice = () if second is None else second.unchecked
    # What neither looked into is said once.
    if unchecked := tuple(dict.fromkeys((*report.unchecked, *twice))):
        sections.append(Section("Not checked", (), listing=unchecked))
    values, gradients = report.cost["values"], report.cost["gradients"]
    spent = f"{values:.0f} values and {gradients:.0f} gradients in float64"
    sections.append(cost_section(spent, report))
    title = f"gradients of {report.name}"
    return Document(title, report.verdict, _headline(report), tuple(sections))


def _headline(report: GradientReport) -> str:
    known = report.certificate
    return (
        f"{passed(report.leaves, report.rules)}; "
        f"error of the whole gradient at most {format_number(known.error)} of its "
        f"norm, at {100 * known.confidence:g} % confidence"
    )
