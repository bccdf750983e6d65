"""How an audit report is laid out: what is wrong first, everything else below."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxdebug.checks.audits.unit_sections import common_root, unit_sections
from jaxdebug.checks.gradients.sections import (
    leaf_section,
    passed,
    rule_sections,
)
from jaxdebug.checks.report_parts import (
    cost_section,
    cut,
    finding_sections,
    short_place,
    silenced_sections,
)
from jaxdebug.reports import Column, Document, Section, format_number

if TYPE_CHECKING:
    from jaxdebug.checks.audits.report import AuditReport, LayerAudit

MOST_ITERATIONS = 8
"""Of scans with more iterations only the first, last and largest are shown."""


def audit_document(report: AuditReport) -> Document:
    """The document of an audit."""
    sections = [
        *finding_sections(report.findings),
        leaf_section([leaf.gradient for leaf in report.leaves]),
        *rule_sections(report.rules),
        _parameters(report),
        _layers(report),
        *unit_sections((layer.site, layer.numbers) for layer in report.layers),
        *silenced_sections(report.silenced),
        *_unchecked(report),
    ]
    losses, gradients = report.cost["values"], report.cost["gradients"]
    spent = f"{losses:.0f} losses and {gradients:.0f} gradients in float64"
    sections.append(cost_section(spent, report))
    title = f"audit of {report.name}"
    return Document(title, report.verdict, _headline(report), tuple(sections))


def _headline(report: AuditReport) -> str:
    return (
        f"{passed([leaf.gradient for leaf in report.leaves], report.rules)}; loss "
        f"{format_number(report.loss)}, in float64 {format_number(report.wide_loss)}"
    )


def _parameters(report: AuditReport) -> Section:
    updates = any(leaf.update is not None for leaf in report.leaves)
    columns = [
        Column("parameter", "path"),
        Column("shape", "text"),
        Column("rms", "number"),
        Column("max", "number"),
        Column("gradient rms", "number"),
        Column("gradient max", "number"),
    ]
    if updates:
        columns.append(Column("update / parameter", "number"))
    rows: list[tuple[Any, ...]] = []
    for leaf in report.leaves:
        row: tuple[Any, ...] = (
            leaf.path,
            _type(leaf.dtype, leaf.shape),
            float(leaf.parameter["rms"]),
            float(leaf.parameter["max"]),
            float(leaf.derivative["rms"]),
            float(leaf.derivative["max"]),
        )
        if leaf.update is not None:
            rms = float(leaf.parameter["rms"])
            row += (float(leaf.update["rms"]) / rms if rms > 0 else None,)
        rows.append(row)
    return Section("Parameters", (), cut(tuple(columns), rows))


def _layers(report: AuditReport) -> Section:
    if not report.layers:
        return Section(
            "Layers",
            (
                "No layer was found: the loss opens no name scope. Flax modules do; "
                "in plain functions use jax.named_scope.",
            ),
        )
    columns = (
        Column("layer", "path"),
        Column("shape", "text"),
        Column("output rms", "number"),
        Column("mean", "number"),
        Column("max", "number"),
        Column("not finite", "number"),
        Column("cotangent rms", "number"),
        Column("line", "path"),
    )
    cotangents = {
        (layer.site.path, layer.site.index): layer
        for layer in report.layers
        if layer.site.kind == "cotangent"
    }
    outputs = [layer for layer in report.layers if layer.site.kind == "output"]
    root = common_root([layer.site.path for layer in outputs])
    rows = [
        row
        for layer in outputs
        for row in _layer_rows(
            layer, cotangents.get((layer.site.path, layer.site.index)), len(root)
        )
    ]
    notes = [f"Inside {'/'.join(root)}."] if root else []
    files = {line.file for layer in outputs if (line := layer.site.line) is not None}
    if len(files) == 1:
        notes.append(f"Lines are those of {short_place(files.pop())}.")
        rows = [(*row[:-1], row[-1] and row[-1].rsplit(":", 1)[-1]) for row in rows]
    return Section("Layers", (" ".join(notes),) if notes else (), cut(columns, rows))


def _layer_rows(
    layer: LayerAudit, cotangent: LayerAudit | None, skip: int
) -> Iterator[tuple[Any, ...]]:
    site, numbers = layer.site, layer.numbers
    # The whole model is a row of its own, under its own name.
    name = site._replace(path=site.path[skip:] or site.path).name
    line = short_place(str(site.line)) if site.line else None
    flat = {name: np.atleast_1d(value).ravel() for name, value in numbers.items()}
    ct = None if cotangent is None else np.atleast_1d(cotangent.numbers["rms"]).ravel()
    for index in _shown(flat["rms"]):
        suffix = f" #{index}" if flat["rms"].size > 1 else ""
        yield (
            name + suffix,
            _type(site.dtype, site.shape),
            # Nothing was measured where a branch was not taken.
            *(
                (float(flat["rms"][index]), _real(flat["mean"][index]))
                if flat["count"][index]
                else (None, None)
            ),
            float(flat["max"][index]),
            int(flat["nonfinite"][index]),
            float(ct[index]) if ct is not None and index < ct.size else None,
            line,
        )


def _shown(rms: np.ndarray) -> list[int]:
    if rms.size <= MOST_ITERATIONS:
        return list(range(rms.size))
    largest = int(np.argmax(np.where(np.isfinite(rms), rms, np.inf)))
    return sorted({0, largest, rms.size - 1})


def _real(number: Any) -> float:
    return float(abs(number)) if np.iscomplexobj(number) else float(number)


def _type(dtype: str, shape: tuple[int, ...]) -> str:
    """As JAX writes it: f32[2,3]."""
    short = _DTYPES.sub(lambda match: match[1][0] + match[2], dtype)
    return f"{short.replace('bfloat', 'bf')}[{','.join(map(str, shape))}]"


_DTYPES = re.compile(r"^(float|complex|int)(\d+)$")


def _unchecked(report: AuditReport) -> Iterator[Section]:
    if report.unseen:
        yield Section("Not seen into", (), listing=report.unseen)
    if report.unidentified:
        yield Section("Not identified", (), listing=report.unidentified)
