"""How a precision check is laid out: what is lost first, everything else below."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from jaxdebug.checks.report_parts import (
    cost_section,
    cut,
    finding_sections,
    meanings,
    short_place,
    silenced_sections,
)
from jaxdebug.reports import Column, Document, Section, format_number

if TYPE_CHECKING:
    from jaxdebug.checks.precision.report import PrecisionReport

REASONS = {
    "half-lost": "more than half of the digits that its dtype has are lost",
    "lost": "no more than one digit is left",
    "overflow": "finite in float64, not finite in its own precision",
    "not-finite": "not finite in float64 either",
    "negligible": "zero but for rounding, as of a bias in front of a softmax",
    "empty": "has no elements",
}


def precision_document(report: PrecisionReport) -> Document:
    """The document of a precision check."""
    sections = [
        *finding_sections(report.findings),
        _results(report),
        *_causes(report),
        *_layers(report),
        *_flips(report),
        *silenced_sections(report.silenced),
    ]
    if report.unchecked:
        sections.append(Section("Not checked", (), listing=report.unchecked))
    spent = f"{report.cost['equations']:.0f} equations measured"
    sections.append(cost_section(spent, report))
    title = f"precision of {report.name}"
    return Document(title, report.verdict, _headline(report), tuple(sections))


def _headline(report: PrecisionReport) -> str:
    fine = sum(result.reason in _FINE for result in report.results)
    counted = [r.error for r in report.results if r.reason not in _UNCOUNTED]
    parts = [f"{fine} of {len(report.results)} results keep their digits"]
    if counted:
        parts.append(f"largest relative error {format_number(max(counted))}")
    flips = sum(flip.count for flip in report.flips)
    if flips:
        parts.append(f"{flips} decisions come out otherwise in float64")
    return "; ".join(parts)


_UNCOUNTED = ("negligible", "empty", "not-finite")
_FINE = ("fine", "negligible", "empty")


def _results(report: PrecisionReport) -> Section:
    columns = (
        Column("result", "path"),
        Column("kind", "status"),
        Column("dtype", "status"),
        Column("error", "number"),
        Column("worst", "number"),
        Column("decisions", "number"),
        Column("because", "text"),
    )
    ordered = sorted(
        report.results, key=lambda r: (r.reason in _FINE, -r.error if r.error else 0)
    )
    rows = [
        (
            result.name,
            result.kind,
            result.dtype,
            result.error,
            result.worst,
            result.flips or None,
            result.reason,
        )
        for result in ordered
    ]
    note = (
        "error: of the norm, against float64 with the same decisions. worst: of one "
        "element, relative to the root mean square. decisions: what it would change "
        "that float64 decides otherwise."
    )
    words = meanings(REASONS, [result.reason for result in report.results])
    return Section("Results", (note,), cut(columns, rows), words)


def _causes(report: PrecisionReport) -> Iterator[Section]:
    if not report.causes:
        return
    columns = (
        Column("layer", "path"),
        Column("line", "path"),
        Column("operation", "status"),
        Column("dtype", "status"),
        Column("in", "number"),
        Column("out", "number"),
        Column("digits", "number"),
        Column("because", "text"),
    )
    rows = [
        (
            cause.layer + (" (backward)" if cause.backward else ""),
            short_place(cause.line),
            cause.primitive,
            cause.dtype,
            cause.before,
            cause.after,
            cause.digits if np.isfinite(cause.digits) else None,
            cause.reason,
        )
        for cause in report.causes
    ]
    note = (
        "Where the relative error grows by more than the dtype explains: of what comes "
        "in, of what comes out, and the decimal digits between."
    )
    yield Section("Where digits are lost", (note,), cut(columns, rows))


def _layers(report: PrecisionReport) -> Iterator[Section]:
    if not report.layers:
        return
    columns = (
        Column("layer", "path"),
        Column("array", "status"),
        Column("dtype", "status"),
        Column("error", "number"),
        Column("inherited", "number"),
        Column("worst", "number"),
    )
    rows = [
        (
            layer.name,
            layer.kind,
            layer.dtype,
            layer.error,
            layer.inherited,
            layer.worst,
        )
        for layer in sorted(report.layers, key=lambda layer: -layer.error)
    ]
    note = "inherited: the error of what came into the layer and brings most of it."
    yield Section("Layers", (note,), cut(columns, rows))


def _flips(report: PrecisionReport) -> Iterator[Section]:
    if not report.flips:
        return
    columns = (
        Column("layer", "path"),
        Column("line", "path"),
        Column("decision", "status"),
        Column("elements", "number"),
    )
    rows = [
        (flip.layer, short_place(flip.line), flip.primitive, flip.count)
        for flip in report.flips
    ]
    note = (
        "Comparisons, orders and roundings that float64 takes otherwise. All errors "
        "above are with the function's own decisions."
    )
    yield Section("Decisions", (note,), cut(columns, rows))
