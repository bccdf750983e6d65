"""Statistics of a step as one table of numbers, the way a run keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from jaxdebug.programs.places import Site
from jaxdebug.statistics.site_statistics import Statistics
from jaxdebug.training.layout import Layout, Row

COLUMNS = (
    *("count", "nonfinite", "zeros", "mean", "rms", "std", "max", "smallest"),
    *("ratio", "lost", "confidence"),
)
"""Statistics that are one number for each site and iteration."""


def table_of(statistics: Statistics) -> tuple[Layout, np.ndarray]:
    """Names and numbers; NaN where a statistic is none of a site's.

    A site in a scan that has a row for each iteration has one here, as `block[3]`.
    What is a number for each unit is not part of it.
    """
    rows = list(_rows(statistics))
    values = np.array([[_number(one, name) for name in COLUMNS] for _, one in rows])
    names: dict[Row, None] = {}
    for row, _ in rows:
        names[_unlike(row, names)] = None
    return Layout(tuple(names), COLUMNS), values.reshape(len(rows), len(COLUMNS))


def _rows(statistics: Statistics) -> Iterator[tuple[Row, Mapping[str, Any]]]:
    for site, numbers in statistics:
        known = {k: np.asarray(v) for k, v in numbers.items() if k in COLUMNS}
        shape = np.shape(known.get("rms", known.get("confidence", 0.0)))
        known = {k: v for k, v in known.items() if v.shape == shape}
        for index in np.ndindex(shape):
            place = f"[{','.join(map(str, index))}]" if index else ""
            row = Row(f"{site.name}{place}", _direction(site), site.kind)
            yield row, {name: value[index] for name, value in known.items()}


def _direction(site: Site) -> str:
    match site.kind:
        case "output" | "activation" | "softmax" | "lookup":
            return "forward"
        case "cotangent" | "gradient":
            return "backward"
        case "update":
            return "update"
    return ""


def _number(numbers: Mapping[str, Any], name: str) -> float:
    return float(numbers.get(name, np.nan))


def _unlike(row: Row, others: Mapping[Row, None]) -> Row:
    """The row under a name that no other has."""
    found, count = row, 2
    while found in others:
        found, count = row._replace(path=f"{row.path} ({count})"), count + 1
    return found
