"""Packed statistics as a tidy table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from jaxdebug.training.layout import Layout, Row

COLUMNS = ("step", "path", "direction", "kind", "statistic", "value")

Wanted = tuple[str | None, str | None, str | None]
"""Path, direction and kind of rows; None stands for any."""


def matches(row: Row, wanted: Wanted) -> bool:
    """Whether a row is one of those that are wanted."""
    return all(one in (None, name) for one, name in zip(wanted, row, strict=True))


def tidy(
    samples: Iterable[tuple[Layout, np.ndarray, np.ndarray]],
    wanted: Wanted,
    statistic: str | None,
) -> dict[str, np.ndarray]:
    """One line for each number: by step, then by row, then by statistic."""
    parts = [_part(*block, wanted, statistic) for block in samples]
    whole = {
        name: np.concatenate([part[name] for part in parts] or [_NOTHING[name]])
        for name in COLUMNS
    }
    order = np.argsort(whole["step"], kind="stable")
    return {name: column[order] for name, column in whole.items()}


_NOTHING = {
    "step": np.empty(0, np.int64),
    "value": np.empty(0, np.float64),
    **{name: np.empty(0, object) for name in COLUMNS[1:-1]},
}


def _part(
    layout: Layout,
    steps: np.ndarray,
    values: np.ndarray,
    wanted: Wanted,
    statistic: str | None,
) -> dict[str, np.ndarray]:
    rows = [i for i, row in enumerate(layout.rows) if matches(row, wanted)]
    columns = [i for i, name in enumerate(layout.columns) if statistic in (None, name)]
    names = _texts([layout.columns[i] for i in columns])
    inner = len(rows) * len(columns)
    by_row = {
        field: np.repeat(_texts([layout.rows[i][place] for i in rows]), len(columns))
        for place, field in enumerate(Row._fields)
    }
    return {
        "step": np.repeat(steps, inner),
        **{field: np.tile(column, len(steps)) for field, column in by_row.items()},
        "statistic": np.tile(names, len(rows) * len(steps)),
        "value": values[:, rows][:, :, columns].reshape(-1),
    }


def _texts(names: Sequence[str]) -> np.ndarray:
    # As objects a name is kept once, however long it is.
    column = np.empty(len(names), object)
    column[:] = names
    return column
