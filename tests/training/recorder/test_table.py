"""What a run keeps of a sample: one number of each kind for each row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jaxdebug.programs.places import Site
from jaxdebug.training.recorder.table import table_of


def _table(kind: str, numbers: dict[str, Any]) -> dict[str, list[float]]:
    """By column what is known of one site, row by row."""
    layout, values = table_of([(Site(("a",), kind, 0, (), "", "", None), numbers)])
    places = [row.path for row in layout.rows]
    assert places == (["a"] if len(places) == 1 else [f"a[{i}]" for i in range(2)])
    columns = zip(layout.columns, values.T, strict=True)
    return {
        name: column.tolist() for name, column in columns if not np.isnan(column[0])
    }


ACTIVE, SATURATED = np.array([0, 3, 5, 0]), np.array([10, 7, 5, 0])


@pytest.mark.parametrize(
    ("kind", "numbers", "wanted"),
    [
        (
            "activation",
            {"active": ACTIVE, "saturated": SATURATED, "examples": 10, "units": 4},
            # Of the last unit no example tells anything.
            {"count": [10], "dead": [0.25], "saturated": [0.25], "worst": [0]},
        ),
        (
            "activation",
            {
                "active": np.stack([ACTIVE, 5 + ACTIVE]),
                "saturated": np.stack([SATURATED, 0 * SATURATED]),
                "examples": np.array([10, 10]),
            },
            {
                "count": [10, 10],
                "dead": [0.25, 0],
                "saturated": [0.25, 0],
                "worst": [0, 0],
            },
        ),
        (
            "softmax",
            {"count": 8, "saturated": 2, "largest": 0.7, "single": 1, "entries": 5},
            {"count": [8], "saturated": [0.25], "largest": [0.7]},
        ),
        (
            "lookup",
            {"looked_up": np.array([3, 0, 0, 1]), "rows": 4, "outside": 2},
            {"count": [4], "unused": [0.5]},
        ),
        ("state", {"count": 3, "rms": 2.0, "histogram": np.ones((2, 5))}, None),
    ],
)
def test_numbers_of_units_are_summed_up(
    kind: str, numbers: dict[str, Any], wanted: dict[str, list[float]] | None
) -> None:
    assert _table(kind, numbers) == (wanted or {"count": [3], "rms": [2.0]})
