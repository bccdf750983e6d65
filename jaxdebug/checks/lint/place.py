"""Several places of one mistake as one finding."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, NamedTuple

from jaxdebug.checks.lint.linted import Linted
from jaxdebug.findings import Finding, Severity, found
from jaxdebug.findings.parts import listed
from jaxdebug.programs.graph import Step


class Spot(NamedTuple):
    """One equation that a lint has something to say of."""

    code: str
    step: Step
    message: str
    severity: Severity | None = None
    remedies: tuple[str, ...] | None = None
    evidence: Mapping[str, Any] = {}


def findings_of(linted: Linted, spots: Iterable[Spot]) -> list[Finding]:
    """A finding for each line and message, whatever layers it is in."""
    groups: dict[Hashable, list[Spot]] = defaultdict(list)
    for spot in spots:
        line = linted.line(spot.step)
        own = line if line is not None else linted.layer(spot.step)
        groups[spot.code, own, spot.message, spot.severity].append(spot)
    findings = []
    for several in groups.values():
        first = several[0]
        layers = list(dict.fromkeys(linted.layer(one.step) for one in several))
        message = first.message
        if len(layers) > 1:
            message += f"; so in {listed(layers[1:])}"
        findings.append(
            found(
                first.code,
                layers[0],
                message,
                severity=first.severity,
                remedies=first.remedies,
                line=linted.line(first.step),
                evidence={
                    "primitive": first.step.equation.primitive,
                    "layers": layers,
                    **first.evidence,
                },
            )
        )
    return findings
