"""Vanishing and exploding gradients, and the drift of activations over depth.

A gain of each layer multiplies over a chain, so the logarithm of the scale changes
along a line, whatever the scale of the loss. Of cotangents the norm of the whole
array is compared, not the mean over elements: random weights of variance 1/fan_in
keep the norm of a cotangent whatever the widths on both sides, and the mean square
of an output.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from jaxdebug.findings.finding import Finding, found
from jaxdebug.findings.pages.depth import DECADES, FEWEST_LAYERS
from jaxdebug.findings.rules.chains import (
    Link,
    Slope,
    fit_slope,
    numbered_chains,
    ordered_chains,
)
from jaxdebug.findings.rules.reading import (
    Measured,
    Numbers,
    at,
    of_kind,
    scanned_layers,
    size_of,
)
from jaxdebug.reports import format_number

if TYPE_CHECKING:
    from jaxdebug.programs.places import Site

Magnitude = Callable[[Numbers], float]


def depth_findings(measured: Measured) -> list[Finding]:
    """Findings on scales that change from layer to layer, one for each chain."""
    scanned = scanned_layers(measured)
    backward = _chains(measured, "cotangent", _norm, scanned)
    if not backward:
        backward = _chains(measured, "gradient", _norm, scanned)
    forward = _chains(measured, "output", size_of, scanned)
    return [
        *_findings(backward, _gradient_finding),
        *_findings(forward, _drift_finding),
    ]


def _chains(
    measured: Measured,
    kind: str,
    magnitude: Magnitude,
    scanned: set[tuple[str, ...]],
) -> list[list[Link]]:
    """Chains long enough for a slope."""
    apart, chains = [], []
    inside: set[tuple[str, ...]] = set()
    for site, numbers in sorted(
        of_kind(measured, kind), key=lambda item: len(item[0].path)
    ):
        if kind == "gradient" and len(site.shape) < 2:
            continue
        if site.path not in scanned or not np.ndim(numbers["rms"]):
            apart.append((site, magnitude(numbers)))
        elif not any(site.path[:end] in inside for end in range(len(site.path) + 1)):
            inside.add(site.path)
            chains.append(_rows(site, numbers, magnitude))
    outputs = (site.path for site, _ in of_kind(measured, "output") if not site.index)
    order = {path: place for place, path in enumerate(outputs)}
    chains += [*numbered_chains(apart), *ordered_chains(apart, order)]
    return [links for links in chains if len(links) >= FEWEST_LAYERS]


def _rows(site: Site, numbers: Numbers, magnitude: Magnitude) -> list[Link]:
    count = np.shape(numbers["rms"])[0]
    rows = (
        {name: np.asarray(v)[i] for name, v in numbers.items()} for i in range(count)
    )
    values = (magnitude(row) for row in rows)
    return [
        Link(f"{site.name} #{index}", site, value)
        for index, value in enumerate(values)
        if np.isfinite(value) and value > 0
    ]


def _norm(numbers: Numbers) -> float:
    finite = np.sum(numbers["count"]) - np.sum(numbers["nonfinite"])
    return size_of(numbers) * float(np.sqrt(max(finite, 0)))


def _findings(
    chains: list[list[Link]], make: Callable[[list[Link], Slope], Finding]
) -> list[Finding]:
    findings = []
    for links in chains:
        slope = fit_slope(link.value for link in links)
        sign = np.sign(slope.slope)
        ends = np.log10(links[-1].value) - np.log10(links[0].value)
        if (
            min(slope.bound * sign, ends * sign) >= DECADES
            and slope.steady * sign >= DECADES / 2
        ):
            findings.append(make(links, slope))
    return findings


def _gradient_finding(links: list[Link], slope: Slope) -> Finding:
    first, last = links[0], links[-1]
    vanishing = slope.slope > 0
    verb = "shrinks" if vanishing else "grows"
    return found(
        "vanishing-gradient" if vanishing else "exploding-gradient",
        first.name,
        f"on the way back through {len(links)} layers, from {last.name} to "
        f"{first.name}{at(first.site)}, the gradient {verb} by a factor of "
        f"{_factor(slope)} a layer: its norm is {format_number(last.value)} at the "
        f"end and {format_number(first.value)} at the beginning",
        line=first.site.line,
        evidence=_evidence(links, slope),
    )


def _drift_finding(links: list[Link], slope: Slope) -> Finding:
    first, last = links[0], links[-1]
    verb = "grow" if slope.slope > 0 else "shrink"
    return found(
        "activation-drift",
        last.name,
        f"through {len(links)} layers, from {first.name} to {last.name}"
        f"{at(last.site)}, activations {verb} by a factor of {_factor(slope)} a "
        f"layer: their root mean square is {format_number(first.value)} at the "
        f"beginning and {format_number(last.value)} at the end",
        line=last.site.line,
        evidence=_evidence(links, slope),
    )


def _factor(slope: Slope) -> str:
    return format_number(10 ** min(abs(slope.slope), 300.0))


def _evidence(links: list[Link], slope: Slope) -> dict[str, object]:
    return {
        "layers": [link.name for link in links],
        "magnitudes": [link.value for link in links],
        "decades_per_layer": slope.slope,
        "error": slope.error,
        "decades": slope.change,
        "bound": slope.bound,
        "steady": slope.steady,
        "threshold": DECADES,
    }
