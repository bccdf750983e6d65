"""Parts that every report's document and JSON are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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


def cut(columns: tuple[Column, ...], rows: Sequence[tuple[Any, ...]]) -> Table:
    """A table of the first rows, which says how many it leaves out."""
    return Table(columns, tuple(rows[:MOST_ROWS]), more=max(0, len(rows) - MOST_ROWS))


def short_place(place: str) -> str:
    """`file:line` without the folders."""
    return place.replace("\\", "/").rsplit("/", 1)[-1]


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def flat(value: Any) -> Any:
    """Tuples as lists, so that JSON has one kind of sequence."""
    if isinstance(value, Mapping):
        return {name: flat(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [flat(item) for item in value]
    return value
