"""A line to be fitted, whose training is known in closed form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from jaxdebug import Workload

SLOPE = 3.0


def line(**changes: Any) -> Workload:
    """Mean squared error of one weight on x with mean square 1: the curvature is 2."""
    x = np.asarray([[1, -1, 1, -1]] * 3, np.float32)
    fields: dict[str, Any] = {
        "loss_fn": lambda w, batch: ((w * batch[0] - batch[1]) ** 2).mean(),
        "params": np.float32(0),
        "train": [(row, SLOPE * row) for row in x],
        "name": "line",
    }
    return Workload(**{**fields, **changes})


def loss_after(rate: float, steps: int, weight: float = 0.0) -> float:
    """Of gradient descent, in closed form."""
    return ((1 - 2 * rate) ** steps * (weight - SLOPE)) ** 2


def schema(name: str) -> Any:
    """Of the JSON of a report."""
    folder = Path(__file__).parents[2] / "docs/schema"
    return json.loads((folder / f"{name}-1.json").read_text("utf-8"))
