"""Findings on a loss that is not finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxdebug.findings import Finding, found
from jaxdebug.programs.places import Site
from jaxdebug.reports import format_number


def value_findings(
    loss: float, sites: Sequence[tuple[Site, Mapping[str, Any]]]
) -> list[Finding]:
    """Findings on a loss that is not finite, with the first layer that is not."""
    if np.isfinite(loss):
        return []
    culprit = next(
        (
            site
            for site, numbers in sites
            if site.kind == "output" and np.any(numbers["nonfinite"] > 0)
        ),
        None,
    )
    where = culprit.name if culprit else "loss"
    detail = ""
    if culprit is not None:
        detail = f"; this is the first layer that is not finite ({culprit.primitive})"
    return [
        found(
            "nonfinite-loss",
            where,
            f"the loss is {format_number(loss)}{detail}",
            line=culprit.line if culprit else None,
            evidence={"loss": loss},
        )
    ]
