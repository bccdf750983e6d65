"""Parts that every report's document is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jaxdebug.findings import Finding
from jaxdebug.reports import Column, Section, Table

MOST_ROWS = 60
"""A longer table is cut, and says how many rows were left out; JSON has all."""


def finding_sections(findings: Sequence[Finding]) -> Iterator[Section]:
    """One section for each finding: where, what, what to try."""
    for finding in findings:
        line = f" at {finding.line}" if finding.line else ""
        yield Section(
            f"{finding.severity}: {finding.code}",
            (f"{finding.where}{line}: {finding.message}.",),
            listing=finding.remedies,
        )


def silenced_sections(findings: Sequence[Finding]) -> Iterator[Section]:
    """The findings that were asked not to count, if there are any."""
    if findings:
        yield Section(
            "Silenced",
            ("As asked, these do not count.",),
            listing=tuple(
                f"{finding.severity}: {finding.code}: {finding.where}: "
                f"{finding.message}."
                for finding in findings
            ),
        )


def cost_section(spent: str, report: Any) -> Section:
    """What a check took.

    Args:
        spent: what it evaluated, in words.
        report: with its `cost` and `seed`.
    """
    seconds = f"{report.cost['seconds']:.1f} s with compilation"
    return Section("Cost", (f"{spent}, {seconds}, seed {report.seed}",))


def cut(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> Table:
    """A table of the first rows, which says how many it leaves out."""
    return Table(columns, tuple(rows[:MOST_ROWS]), more=max(0, len(rows) - MOST_ROWS))


def short_place(place: str) -> str:
    """`file:line` without the folders."""
    return place.replace("\\", "/").rsplit("/", 1)[-1]


def meanings(reasons: Mapping[str, str], seen: Iterable[str]) -> tuple[str, ...]:
    """What each of the reasons means that a table shows."""
    shown = set(seen)
    return tuple(f"{word}: {text}" for word, text in reasons.items() if word in shown)
