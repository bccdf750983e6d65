"""Statistics of a step as one table of numbers, the way a run keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from jaxdebug.programs.places import Site
from jaxdebug.training.layout import Layout, Row
from jaxdebug.training.recorder.unit_numbers import unit_numbers

COLUMNS = (
    *("count", "nonfinite", "zeros", "mean", "rms", "std", "max", "smallest"),
    *("ratio", "lost", "dead", "saturated", "worst", "largest", "unused"),
)
"""Statistics that are one number for each site and iteration."""


def table_of(
    measured: Iterable[tuple[Site, Mapping[str, Any]]],
) -> tuple[Layout, np.ndarray]:
    """Names and numbers; NaN where a statistic is none of a site's.

    A site in a scan that has a row for each iteration has one here, as `block[3]`.
    What is a number for each unit is summed up.

    Args:
        measured: sites with their summaries.
    """
    names: dict[Row, None] = {}
    values = []
    for site, numbers in measured:
        known = unit_numbers(site.kind, numbers)
        shape = np.shape(known.get("count", 0.0))
        columns = [known.get(name, np.nan) for name in COLUMNS]
        for index in np.ndindex(shape) if shape else ((),):
            place = f"[{','.join(map(str, index))}]" if index else ""
            row = Row(f"{site.name}{place}", _direction(site), site.kind)
            names[_unlike(row, names)] = None
            values.append([_at(column, shape, index) for column in columns])
    table = np.array(values, np.float64).reshape(len(values), len(COLUMNS))
    return Layout(tuple(names), COLUMNS), table


def _at(column: Any, shape: tuple[int, ...], index: tuple[int, ...]) -> float:
    """The number of one iteration; NaN where there is not one for each."""
    # `np.shape` of a number takes longer than all the rest.
    if getattr(column, "shape", ()) != shape:
        return np.nan
    return column[index] if index else column


def _direction(site: Site) -> str:
    match site.kind:
        case "output" | "activation" | "softmax" | "lookup":
            return "forward"
        case "cotangent" | "gradient":
            return "backward"
        case "update":
            return "update"
    return ""


def _unlike(row: Row, others: Mapping[Row, None]) -> Row:
    """The row under a name that no other has."""
    found, count = row, 2
    while found in others:
        found, count = row._replace(path=f"{row.path} ({count})"), count + 1
    return found
