"""Weights that are all equal, and updates that change nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from jaxdebug.findings.finding import Finding, found
from jaxdebug.findings.pages.parameters import EQUAL, LOST
from jaxdebug.findings.rules.reading import (
    Measured,
    Numbers,
    is_zero,
    largest,
    of_kind,
    parameters,
    scanned_layers,
    whole,
)
from jaxdebug.findings.severity import Severity
from jaxdebug.reports import format_number

if TYPE_CHECKING:
    from jaxdebug.programs.places import Site

SCALES = re.compile(r"scale|gamma|alpha|norm|bias|beta|gate|mask", re.IGNORECASE)
"""Names of parameters, and of their modules, that start constant for good reasons."""

HALF_PRECISION = ("bfloat16", "float16", "float8")


def parameter_findings(measured: Measured) -> list[Finding]:
    """Findings on the values of parameters and on their updates."""
    stacked = {path[-1] for path in scanned_layers(measured) if path}
    frozen = {
        site.path for site, numbers in of_kind(measured, "gradient") if is_zero(numbers)
    }
    findings = [
        _constant(site, numbers)
        for site, numbers in parameters(measured)
        if site.path not in frozen and _is_constant(site, numbers, stacked)
    ]
    for site, numbers in of_kind(measured, "update"):
        finding = _lost(site, numbers)
        if finding is not None:
            findings.append(finding)
    return findings


def _is_constant(site: Site, numbers: Numbers, stacked: set[str]) -> bool:
    shape = site.shape[1:] if stacked & set(site.path) else site.shape
    if sum(length > 1 for length in shape) < 2 or whole(numbers, "nonfinite"):
        return False
    if any(SCALES.search(part) for part in site.path[-2:]):
        return False
    top, mean = largest(numbers), float(np.max(np.abs(numbers["mean"])))
    return top > 0 and mean >= top * (1 - EQUAL)


def _constant(site: Site, numbers: Numbers) -> Finding:
    value = complex(np.ravel(numbers["mean"])[0])
    shown = format_number(value.real) if not value.imag else f"{value:.4g}"
    return found(
        "constant-weights",
        site.name,
        f"all {format_number(whole(numbers, 'count'))} elements of shape "
        f"{list(site.shape)} are {shown}",
        evidence={
            "shape": site.shape,
            "mean": float(np.max(np.abs(numbers["mean"]))),
            "max": largest(numbers),
            "threshold": EQUAL,
        },
    )


def _lost(site: Site, numbers: Numbers) -> Finding | None:
    if "lost" not in numbers:
        return None
    # new - old is zero where the update was lost, so these zeros are no zero updates.
    lost = whole(numbers, "lost")
    changed = whole(numbers, "count") - whole(numbers, "zeros")
    nonzero = lost + changed
    if not lost or lost < LOST * nonzero:
        return None
    half = site.dtype.startswith(HALF_PRECISION)
    return found(
        "lost-update",
        site.name,
        f"{format_number(lost)} of {format_number(nonzero)} updates that are not "
        f"zero leave the parameter as it is in {site.dtype}",
        severity=Severity.WARNING if half else Severity.INFO,
        evidence={"lost": lost, "nonzero": nonzero, "threshold": LOST},
    )
