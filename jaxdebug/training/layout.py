"""Names of the rows and columns of a packed array, kept once however often it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple


class Row(NamedTuple):
    """What one row of a packed array is of.

    Attributes:
        path: of the module or the leaf, as the user's framework spells it.
        direction: `forward`, `backward` or `update`; empty for what has none.
        kind: `output`, `cotangent`, `parameter`, `gradient`, `update`, ...
    """

    path: str
    direction: str
    kind: str


@dataclass(frozen=True)
class Layout:
    """Rows and columns of a packed array.

    Attributes:
        rows: in the order of the program, each once.
        columns: names of the statistics, each once.
    """

    rows: tuple[Row, ...]
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        for owner, names in (("rows", self.rows), ("columns", self.columns)):
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise ValueError(
                    f"expected each of {owner} once; found {twice!r} twice"
                )

    @property
    def shape(self) -> tuple[int, int]:
        """Of the packed array."""
        return len(self.rows), len(self.columns)

    @cached_property
    def content(self) -> str:
        """The names as JSON, which spells any string in ASCII."""
        return json.dumps([[list(row) for row in self.rows], list(self.columns)])

    @cached_property
    def digest(self) -> str:
        """What tells two layouts apart."""
        return hashlib.sha256(self.content.encode()).hexdigest()


def layout_of_leaves(leaves: Iterable[str]) -> Layout:
    """The layout of one number for each leaf."""
    return Layout(tuple(Row(leaf, "", "leaf") for leaf in leaves), ("checksum",))


def layout_of_content(content: str) -> Layout:
    """The layout that was written as JSON.

    Raises:
        ValueError: if it is none.
    """
    try:
        rows, columns = json.loads(content)
        layout = Layout(tuple(Row(*row) for row in rows), tuple(columns))
    except (TypeError, RecursionError) as error:
        raise ValueError(f"expected names of rows and columns: {error}") from None
    if not all(isinstance(name, str) for name in (*columns, *sum(layout.rows, ()))):
        raise ValueError("expected names of rows and columns to be text")
    return layout
