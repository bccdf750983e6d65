"""One row for each layer or parameter, from the inputs at the top to the loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from jaxdebug.figures.canvas import WORDS, label_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 100
"""That are drawn, so that each has its name."""

ROW, MARGIN = 0.19, 1.3
"""Inches of a row, and of what is above and below them."""

_Row = TypeVar("_Row")


def height_of(count: int, row: float = ROW) -> float:
    """Inches of a figure of so many rows."""
    return MARGIN + row * max(count, 4)


def spaced(rows: Sequence[_Row], most: int = MOST_ROWS) -> list[_Row]:
    """So many of the rows, evenly apart, with the first and the last."""
    if len(rows) <= most:
        return [*rows]
    places = np.linspace(0, len(rows) - 1, most).round().astype(int)
    return [rows[place] for place in places]


def chosen_parameters(
    rows: Sequence[_Row], axes_of: Callable[[_Row], int]
) -> tuple[list[_Row], str]:
    """Of too many parameters the matrices and kernels, evenly apart, and that in words.

    Args:
        rows: one for each parameter.
        axes_of: how many axes the parameter has.
    """
    if len(rows) <= MOST_ROWS:
        return [*rows], ""
    large = [row for row in rows if axes_of(row) > 1] or rows
    kept = spaced(large)
    what = "" if len(large) == len(rows) else ": matrices and kernels"
    apart = " evenly apart" if len(kept) < len(large) else ""
    return kept, f"({len(kept)} of {len(rows)}{what}{apart})"


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Write the name of each row at the left.

    Args:
        axes: whose rows are at 0, 1, 2 from the top.
        names: of the rows, without a beginning that they share.
    """
    axes.set_ylim(max(len(names), 1) - 0.4, -0.8)
    shown = [label_of(name) for name in names]
    axes.set_yticks(range(len(names)), shown, fontsize="x-small", **WORDS)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)


def without_root(paths: Sequence[Sequence[str]]) -> list[str]:
    """Names of paths without the module that all of them are in.

    Example:
        >>> without_root([("Net", "Conv_0"), ("Net", "Conv_1"), ("Net",)])
        ['Conv_0', 'Conv_1', 'Net']
    """
    heads = {tuple(path[:1]) for path in paths}
    inside = len(heads) == 1 and len(paths) > 1
    return ["/".join(path[1:] if inside and len(path) > 1 else path) for path in paths]
