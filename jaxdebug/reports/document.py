"""The one document model that every report is made into before it is drawn.

A document is only data. It holds names exactly as the user spells them and numbers
exactly as they were measured; a renderer decides how to escape, shorten, align and
colour them. Each string is one line or one paragraph: a line break inside a string is
part of somebody's name, and the text renderer shows it as `\\n`.
"""

import dataclasses
import numbers
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

from jaxdebug.reports.verdict import Verdict

_CELL_TYPES = (str, numbers.Real, type(None))
Cell = str | int | float | bool | None
Kind = Literal["text", "path", "number", "status"]
KINDS: tuple[str, ...] = get_args(Kind)


def _tuple_of(values: Iterable[Any], owner: str) -> tuple[Any, ...]:
    """Freeze a sequence; a bare string here is one item that lost its brackets."""
    if isinstance(values, str | bytes):
        raise TypeError(
            f"{owner} must be a sequence, found a single {type(values).__name__}; "
            "write it as a tuple of one item: (item,)"
        )
    return tuple(values)


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        title: The heading.
        kind: "text" wraps; "path" is cropped in the middle; "number" is aligned to
            the right and never shrinks; "status" holds one short word and never
            shrinks.
    """

    title: str
    kind: Kind = "text"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(
                f"the kind of a column must be one of {', '.join(KINDS)}; "
                f"found kind={self.kind!r} in column {self.title!r}"
            )


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of cells under columns.

    Attributes:
        columns: At least one column.
        rows: One tuple of cells a row, as many cells as there are columns.
        more: How many rows were left out.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]] = ()
    more: int = 0

    def __post_init__(self) -> None:
        columns = _tuple_of(self.columns, "Table.columns")
        rows = tuple(
            _tuple_of(row, f"Table.rows[{index}]")
            for index, row in enumerate(_tuple_of(self.rows, "Table.rows"))
        )
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "rows", rows)
        if not columns:
            raise ValueError("a table needs at least one column, found columns=()")
        if self.more < 0:
            raise ValueError(f"Table.more counts rows, found more={self.more}")
        for index, row in enumerate(rows):
            if len(row) != len(columns):
                raise ValueError(
                    f"a row needs one cell for each of the {len(columns)} columns; "
                    f"Table.rows[{index}] has {len(row)}"
                )
            for column, cell in zip(columns, row, strict=True):
                if not isinstance(cell, _CELL_TYPES):
                    raise TypeError(
                        "a cell must be a str, int, float, bool or None; found "
                        f"{type(cell).__name__} in Table.rows[{index}], "
                        f"column {column.title!r}"
                    )


@dataclasses.dataclass(frozen=True)
class Section:
    """One part of a document, drawn in the order of its fields.

    Attributes:
        title: The heading.
        paragraphs: Sentences.
        table: A table, or None.
        listing: Items of a bulleted list.
    """

    title: str
    paragraphs: Sequence[str] = ()
    table: Table | None = None
    listing: Sequence[str] = ()

    def __post_init__(self) -> None:
        for field in ("paragraphs", "listing"):
            frozen = _tuple_of(getattr(self, field), f"Section.{field}")
            object.__setattr__(self, field, frozen)


@dataclasses.dataclass(frozen=True)
class Document:
    """A whole report.

    Attributes:
        title: What was examined.
        verdict: The answer, or None for a document that judges nothing.
        headline: The answer in one sentence.
        sections: The parts, in order.
    """

    title: str
    verdict: Verdict | None
    headline: str = ""
    sections: Sequence[Section] = ()

    def __post_init__(self) -> None:
        frozen = _tuple_of(self.sections, "Document.sections")
        object.__setattr__(self, "sections", frozen)
