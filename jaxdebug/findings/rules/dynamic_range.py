"""Values near the largest number of their dtype, and gradients lost below float16."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jaxdebug.findings.finding import Finding, found
from jaxdebug.findings.pages.depth import (
    FEWEST_ELEMENTS,
    HALF,
    HEADROOM,
    LEAST_EXPONENT,
)
from jaxdebug.findings.rules.reading import (
    Measured,
    Numbers,
    at,
    largest,
    of_kind,
    size_of,
    whole,
)
from jaxdebug.reports import format_number

if TYPE_CHECKING:
    from jaxdebug.programs.places import Site

LARGEST = {
    "float8_e4m3fn": 448.0,
    "float8_e4m3": 240.0,
    "float8_e5m2": 57344.0,
    "float16": 65504.0,
    "bfloat16": 3.3895e38,
    "float32": 3.4028e38,
}
"""The largest finite number of each dtype."""

LOWEST_BIN = -40
"""The power of two of a histogram's first bin, which collects what is below."""


def range_findings(measured: Measured) -> list[Finding]:
    """Findings on values that their dtype hardly holds.

    One finding for each kind of site and direction: the worst layer, and how many
    others there are.
    """
    risky, lost = [], []
    for site, numbers in of_kind(measured, "output", "cotangent", "gradient", "update"):
        top = LARGEST.get(site.dtype)
        if top is not None and largest(numbers) * HEADROOM >= top:
            risky.append((largest(numbers) / top, site, numbers))
        if site.dtype == "float16" and site.kind in ("cotangent", "gradient"):
            share = share_too_small(numbers)
            if share is not None and share >= HALF:
                lost.append((share, site, numbers))
    return [
        *(_overflow(kind, risky) for kind in _kinds(risky)),
        *(_underflow(kind, lost) for kind in _kinds(lost)),
    ]


def share_too_small(numbers: Numbers) -> float | None:
    """Share of the non-zero elements that float16 holds with few digits.

    Without a histogram only whether it is the typical element: 0 or 1. None if
    there are too few elements to say.
    """
    zeros = whole(numbers, "zeros")
    nonzero = whole(numbers, "count") - whole(numbers, "nonfinite") - zeros
    if nonzero < FEWEST_ELEMENTS or largest(numbers) == 0:
        return None
    if "histogram" in numbers:
        bins = np.asarray(numbers["histogram"])
        bins = bins.reshape(-1, bins.shape[-1]).sum(0)
        return float(bins[: LEAST_EXPONENT - LOWEST_BIN].sum() / max(bins.sum(), 1))
    # The root mean square over the elements that are not zero.
    rms = size_of(numbers) * np.sqrt((nonzero + zeros) / nonzero)
    return float(rms < 2.0**LEAST_EXPONENT)


Row = tuple[float, "Site", Numbers]


def _kinds(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(site.kind for _, site, _ in rows))


def _worst(kind: str, rows: list[Row]) -> tuple[Site, Numbers, int]:
    of_this = [row for row in rows if row[1].kind == kind]
    _, site, numbers = max(of_this, key=lambda row: row[0])
    return site, numbers, len(of_this) - 1


def _overflow(kind: str, rows: list[Row]) -> Finding:
    site, numbers, others = _worst(kind, rows)
    top = LARGEST[site.dtype]
    return found(
        "overflow-risk",
        site.name,
        f"the largest magnitude of its {kind}{at(site)} is "
        f"{format_number(largest(numbers))}; {site.dtype} ends at "
        f"{format_number(top)}{_more(others)}",
        line=site.line,
        evidence={
            "kind": kind,
            "max": largest(numbers),
            "limit": top,
            "threshold": top / HEADROOM,
            "others": others,
        },
    )


def _underflow(kind: str, rows: list[Row]) -> Finding:
    site, numbers, others = _worst(kind, rows)
    share = share_too_small(numbers)
    rms = size_of(numbers)
    return found(
        "underflow-risk",
        site.name,
        f"the typical size of its {kind}{at(site)} is {format_number(rms)}; below "
        f"{format_number(2.0**LEAST_EXPONENT)} float16 has five digits of ten left"
        f"{_more(others)}",
        line=site.line,
        evidence={
            "kind": kind,
            "rms": rms,
            "share": share,
            "threshold": 2.0**LEAST_EXPONENT,
            "others": others,
        },
    )


def _more(others: int) -> str:
    return f"; the same in {others} more" if others else ""
