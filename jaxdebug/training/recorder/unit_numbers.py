"""What is a number for each unit or row of a layer, summed up for the whole layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxdebug.findings.rules.units import silent_units, stuck_units


def unit_numbers(kind: str, numbers: Mapping[str, Any]) -> Mapping[str, Any]:
    """The numbers of a site that are one for each iteration, of those of its units.

    Args:
        kind: of the site.
        numbers: its summary.

    Returns:
        Of an activation function `dead` and `saturated`, shares of its units as the
        findings count them, and `worst`, the unit with the fewest active and most
        saturated examples. Of a softmax `saturated`, the share of its rows that have a
        probability above 0.99, and `largest`, the mean of the largest. Of an embedding
        `unused`, the share of its rows that nothing looks up. Others as they are.
    """
    match kind:
        case "activation":
            active, saturated = numbers["active"], numbers["saturated"]
            examples = np.asarray(numbers["examples"])
            return {
                "count": examples,
                "dead": silent_units(active, saturated).mean(-1),
                "saturated": stuck_units(saturated, examples[..., None]).mean(-1),
                "worst": np.argmin(np.subtract(active, saturated, dtype=np.int64), -1),
            }
        case "softmax":
            rows = np.asarray(numbers["count"])
            share = numbers["saturated"] / np.maximum(rows, 1)
            return {"count": rows, "saturated": share, "largest": numbers["largest"]}
        case "lookup":
            looked_up = np.asarray(numbers["looked_up"])
            return {"count": looked_up.sum(-1), "unused": (looked_up == 0).mean(-1)}
    return numbers
