"""Whether forward and reverse mode give one slope."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxdebug.findings import Finding, found
from jaxdebug.gradients.cancelled import is_noise
from jaxdebug.gradients.evidence import Evidence
from jaxdebug.reports import format_apart

MODES = 1e-7
"""Relative gap up to which forward and reverse mode agree in float64."""


def modes_disagree(
    evidence: Evidence, around: Sequence[Evidence] = (), most: float = MODES
) -> tuple[Finding, ...]:
    """That the modes give two slopes, if they do.

    Args:
        evidence: at the given point and near it.
        around: at points on a line nearby: what jumps from one to the next is rounding,
            of a gradient whose terms cancel.
        most: relative gap that is none. At a stationary point relative to the gradient
            beside it: its own is nothing but rounding.
    """
    if evidence.forward is None:
        return ()
    whole = max(evidence.norm(0), evidence.norm(1))
    for point, (forward, reverse) in enumerate(evidence.forward.tolist()):
        gap = abs(forward - reverse)
        if not np.isfinite(reverse) or gap <= most * whole:
            continue
        if np.isfinite(gap) and around and _is_rounding(gap, around):
            continue
        one, other = format_apart(forward, reverse)
        differ = found(
            "modes-disagree",
            "gradient",
            f"along one direction forward mode gives {one}, reverse mode {other}",
            evidence={"forward": forward, "reverse": reverse, "point": point},
        )
        return (differ,)
    return ()


def _is_rounding(gap: float, around: Sequence[Evidence]) -> bool:
    pairs = np.array([each.forward for each in around])
    gaps = pairs[:, 0] - pairs[:, 1]
    # No larger than those around it: what is wrong at one point alone is not rounding.
    return bool(is_noise(gaps)) and gap <= 2 * float(np.abs(gaps).max())
