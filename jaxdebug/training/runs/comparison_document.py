"""How a comparison of two runs is laid out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from jaxdebug.checks.report_parts import MOST_ROWS, cut
from jaxdebug.reports import Column, Document, Section, format_number
from jaxdebug.reports.literal import show_name

if TYPE_CHECKING:
    from jaxdebug.training.runs.compare import RunComparison


def comparison_document(report: RunComparison) -> Document:
    """The document of a comparison."""
    sections = [
        *_partings(report),
        *_manifest(report),
        *_only("Only in the first run", report.left_only),
        *_only("Only in the second run", report.right_only),
    ]
    title = f"{report.left} beside {report.right}"
    return Document(title, report.verdict, _headline(report), tuple(sections))


def _headline(report: RunComparison) -> str:
    compared = f"{report.compared} quantities at {report.steps} steps compared"
    if not report.compared:
        return "nothing is recorded at one step of both runs"
    bound = f" within {format_number(report.rtol)}" if report.rtol else ""
    first = report.first
    if first is None:
        return f"the runs are equal{bound}; {compared}"
    what = " ".join(filter(None, (first.what, show_name(first.name), first.kind)))
    return f"the runs part at step {first.step}: {what}; {compared}{bound}"


def _partings(report: RunComparison) -> Iterator[Section]:
    if not report.partings:
        return
    columns = (
        Column("step", "number"),
        Column("what", "status"),
        Column("name", "path"),
        Column("kind", "path"),
        Column("first run", "number"),
        Column("second run", "number"),
        Column("steps", "number"),
        Column("of", "number"),
    )
    rows = [
        (p.step, p.what, p.name, p.kind or None, p.left, p.right, p.steps, p.of)
        for p in report.partings
    ]
    note = (
        "Each quantity at the first step at which it differs; at one step, statistics "
        "are in the order of the program. steps: how many differ of those that both "
        "runs have."
    )
    yield Section("Where they part", (note,), cut(columns, rows))


def _manifest(report: RunComparison) -> Iterator[Section]:
    if not report.manifest:
        return
    columns = (Column("key", "path"), Column("first run"), Column("second run"))
    rows = [(k, json.dumps(one), json.dumps(two)) for k, one, two in report.manifest]
    yield Section("Settings that differ", table=cut(columns, rows))


def _only(title: str, names: tuple[str, ...]) -> Iterator[Section]:
    if names:
        more = len(names) - MOST_ROWS
        rest = (f"and {more} more",) if more > 0 else ()
        yield Section(title, listing=(*names[:MOST_ROWS], *rest))
