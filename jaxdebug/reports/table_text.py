"""Lay a table out for a terminal of a given width.

Numbers and statuses get the width they need before anything else is given out; paths
and texts share what is left. A table that does not fit even so is drawn as records:
the row's first cell on a line of its own and the others below it, each with its title.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from jaxdebug.reports.document import Cell, Column, Table
from jaxdebug.reports.literal import crop_middle, show_name, show_sentence
from jaxdebug.reports.numbers import format_number

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

STATUS_STYLES = {
    "pass": "bold green",
    "ok": "green",
    "fail": "bold red",
    "error": "bold red",
    "inconclusive": "bold yellow",
    "warning": "yellow",
}
# Two spaces between columns: narrower and right-aligned numbers touch the next path.
GAP = 2
# Below this a cropped path or a wrapped sentence can no longer be recognised.
_NARROWEST = 16
# A word in a column that never shrinks; every spelling of a number is shorter.
_RIGID_LIMIT = 18

_Grid = list[list[str]]


def draw_table(
    table: Table, width: int, *, ascii_only: bool
) -> Iterator["RenderableType"]:
    """Draw a table in at most so many cells.

    Args:
        table: The table; cells are names and numbers as they are.
        width: The cells of a line, at least 40.
        ascii_only: Use only ASCII characters.

    Yields:
        What rich is to print, one after the other.
    """
    from rich.text import Text

    titles = [
        show_name(column.title, limit=40, ascii_only=ascii_only)
        for column in table.columns
    ]
    grid = [
        [
            _spell(cell, column.kind, ascii_only)
            for cell, column in zip(row, table.columns, strict=True)
        ]
        for row in table.rows
    ]
    widths = _share(table.columns, titles, grid, width)
    if widths is not None:
        yield from _columns(table.columns, titles, grid, widths, ascii_only)
    else:
        yield from _records(table.columns, titles, grid, width, ascii_only)
    if not grid and not table.more:
        yield Text("(no rows)")
    if table.more:
        mark = "..." if ascii_only else "…"
        rows = "row" if table.more == 1 else "rows"
        yield Text(f"{mark} {format_number(table.more)} more {rows}")


def lay_out(
    rows: Sequence[Sequence["Text"]],
    widths: Sequence[int],
    *,
    gap: int = GAP,
    right: Sequence[bool] | None = None,
    vertical: Literal["top", "bottom"] = "top",
) -> "RenderableType":
    """Set rows in columns of exact widths; what does not fit is folded.

    Args:
        rows: The cells, row by row.
        widths: The width of each column.
        gap: The blanks between columns.
        right: Which columns are aligned to the right; by default none.
        vertical: Where a cell stands that is lower than its row.

    Returns:
        What rich is to print.
    """
    from rich.table import Table as RichTable
    from rich.text import Text

    # Gaps are columns too: how padding counts towards a column's width differs
    # between versions of rich.
    drawn = RichTable.grid(padding=0)
    for index, width in enumerate(widths):
        if index:
            drawn.add_column(width=gap)
        drawn.add_column(
            width=width,
            overflow="fold",
            justify="right" if right and right[index] else "left",
            vertical=vertical,
        )
    for first, *others in rows:
        drawn.add_row(first, *(cell for other in others for cell in (Text(), other)))
    return drawn


def _spell(cell: Cell, kind: str, ascii_only: bool) -> str:
    """Spell one cell without regard to the width of its column."""
    if not isinstance(cell, str):
        return format_number(cell, ascii_only=ascii_only)
    if kind == "path":
        return show_name(cell, ascii_only=ascii_only)
    if kind == "text":
        return show_sentence(cell, ascii_only=ascii_only)
    if not cell:
        return ""
    return show_name(cell, limit=_RIGID_LIMIT, ascii_only=ascii_only)


def _share(
    columns: Sequence[Column], titles: Sequence[str], grid: _Grid, width: int
) -> list[int] | None:
    """Give each column its width, or return None where the table does not fit."""
    from rich.cells import cell_len

    low, high = [], []
    for index, (column, title) in enumerate(zip(columns, titles, strict=True)):
        values = max((cell_len(row[index]) for row in grid), default=0)
        word = max(cell_len(word) for word in title.split(" "))
        whole = max(values, cell_len(title), 1)
        rigid = column.kind in ("number", "status")
        high.append(whole)
        low.append(max(values, word, 1) if rigid else min(whole, _NARROWEST))
    spare = width - GAP * (len(columns) - 1) - sum(low)
    if spare < 0:
        return None
    # Paths and texts grow first, in turn; a heading of numbers may stay wrapped.
    for kinds in (("path", "text"), ("number", "status")):
        growing = [i for i, column in enumerate(columns) if column.kind in kinds]
        while spare and (growing := [i for i in growing if low[i] < high[i]]):
            for index in growing[:spare]:
                low[index] += 1
            spare -= min(spare, len(growing))
    return low


def _fit_paths(paths: Sequence[str], width: int, ascii_only: bool) -> list[str]:
    """Crop paths in the middle; fold those that would then look like another."""
    cropped = [_crop_path(path, width, ascii_only) for path in paths]
    pairs = dict.fromkeys(zip(paths, cropped, strict=True))
    seen = Counter(short for _, short in pairs)
    return [
        _fold(path, width) if seen[short] > 1 else short
        for path, short in zip(paths, cropped, strict=True)
    ]


def _crop_path(path: str, width: int, ascii_only: bool) -> str:
    """Crop the longest name of a path, or leave whole names out; else letters."""
    from rich.cells import cell_len

    if cell_len(path) <= width:
        return path
    names = path.split("/")
    longest = max(range(len(names)), key=lambda index: cell_len(names[index]))
    room = width - cell_len(path) + cell_len(names[longest])
    if room >= _NARROWEST:
        cropped = crop_middle(names[longest], room, ascii_only=ascii_only)
        return "/".join([*names[:longest], cropped, *names[longest + 1 :]])
    mark = "..." if ascii_only else "…"
    for kept in range(len(names) - 1, 1, -1):
        head = kept // 2
        short = "/".join([*names[:head], mark, *names[head - kept :]])
        if cell_len(short) <= width:
            return short
    return crop_middle(path, width, ascii_only=ascii_only)


def _fold(path: str, width: int) -> str:
    """Break a path into lines, after a slash where there is one."""
    lines = []
    while len(path) > width:
        end = path.rfind("/", width // 2, width) + 1 or width
        lines.append(path[:end])
        path = path[end:]
    return "\n".join([*lines, path])


def _styled(value: str, kind: str) -> "Text":
    from rich.text import Text

    style = STATUS_STYLES.get(value, "") if kind == "status" else ""
    return Text(value, style=style)


def _columns(
    columns: Sequence[Column],
    titles: Sequence[str],
    grid: _Grid,
    widths: Sequence[int],
    ascii_only: bool,
) -> Iterator["RenderableType"]:
    from rich.text import Text

    shown = [list(column) for column in zip(*grid, strict=True)]
    for index, column in enumerate(columns):
        if column.kind == "path" and grid:
            shown[index] = _fit_paths(shown[index], widths[index], ascii_only)
    right = [column.kind == "number" for column in columns]
    headings = [Text(title, style="bold") for title in titles]
    yield lay_out([headings], widths, right=right, vertical="bottom")
    yield Text(("-" if ascii_only else "─") * (sum(widths) + GAP * (len(widths) - 1)))
    rows = [
        [_styled(cell, column.kind) for cell, column in zip(row, columns, strict=True)]
        for row in zip(*shown, strict=True)
    ]
    if rows:
        yield lay_out(rows, widths, right=right)


def _records(
    columns: Sequence[Column],
    titles: Sequence[str],
    grid: _Grid,
    width: int,
    ascii_only: bool,
) -> Iterator["RenderableType"]:
    from rich.cells import cell_len
    from rich.padding import Padding
    from rich.text import Text

    # The values keep room for the longest number, whatever the titles are.
    longest = max((cell_len(title) for title in titles[1:]), default=1)
    left = min(longest, width - 2 * GAP - _RIGID_LIMIT)
    right = width - 2 * GAP - left
    labels = [crop_middle(title, left, ascii_only=ascii_only) for title in titles[1:]]
    heads = [row[0] for row in grid]
    if columns[0].kind == "path":
        heads = _fit_paths(heads, width, ascii_only)
    for head, row in zip(heads, grid, strict=True):
        yield _styled(head, columns[0].kind)
        body = [
            [Text(label), _styled(value, column.kind)]
            for label, column, value in zip(labels, columns[1:], row[1:], strict=True)
            if value
        ]
        if body:
            yield Padding(lay_out(body, (left, right)), (0, 0, 0, GAP))
