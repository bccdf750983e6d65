"""Weights that are equal, and updates that change nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from jaxdebug.findings.finding import Finding, found
from jaxdebug.findings.pages.parameters import EQUAL, LOST, SAME_GRADIENT
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
    gradients = {site.path: n for site, n in of_kind(measured, "gradient")}
    frozen = {path for path, numbers in gradients.items() if is_zero(numbers)}
    findings = []
    for site, numbers in parameters(measured):
        if site.path in frozen:
            continue
        if _is_constant(site, numbers, stacked):
            findings.append(_constant(site, numbers))
        else:
            findings += _identical(site, numbers, gradients.get(site.path, {}))
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


def _identical(site: Site, numbers: Numbers, gradient: Numbers) -> list[Finding]:
    """A finding on the axis along which the units are equal, if there is one."""
    axes = _equal_axes(site, numbers, EQUAL)
    if not axes or len(axes) == sum(length > 1 for length in site.shape):
        return []
    locked = axes & _equal_axes(site, gradient, SAME_GRADIENT)
    if not locked and any(SCALES.search(part) for part in site.path[-2:]):
        return []
    axis = max(locked or axes, key=lambda axis: site.shape[axis])
    then = (
        "and so is their gradient: they stay equal"
        if locked
        else "and only their gradients differ, which parts them at the next step"
        if gradient
        else "whether their gradients differ is not known"
    )
    return [
        found(
            "identical-units",
            site.name,
            f"the {site.shape[axis]} slices along axis {axis} of shape "
            f"{list(site.shape)} are all equal, {then}",
            severity=Severity.WARNING if locked else Severity.INFO,
            evidence={
                "shape": site.shape,
                "axis": axis,
                "apart": float(numbers["apart"][axis]),
                "max": largest(numbers),
                "gradient_apart": float(gradient["apart"][axis])
                if "apart" in gradient
                else None,
                "gradient_max": largest(gradient) if gradient else None,
                "threshold": EQUAL,
                "gradient_threshold": SAME_GRADIENT,
            },
        )
    ]


def _equal_axes(site: Site, numbers: Numbers, tolerance: float) -> set[int]:
    """Axes longer than one along which all slices are equal, if not zero."""
    if "apart" not in numbers or whole(numbers, "nonfinite"):
        return set()
    near = largest(numbers) * tolerance
    apart = np.asarray(numbers["apart"])
    return {
        axis
        for axis, length in enumerate(site.shape)
        if length > 1 and apart[axis] <= near and near > 0
    }


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
