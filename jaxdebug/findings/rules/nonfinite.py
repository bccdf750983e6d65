"""The first site that is not finite, forward and backward."""

from __future__ import annotations

from collections.abc import Mapping

from jaxdebug.findings.finding import Finding, found
from jaxdebug.findings.parts import listed
from jaxdebug.findings.rules.reading import (
    Measured,
    Numbers,
    at,
    of_kind,
    parameters,
    whole,
)
from jaxdebug.findings.severity import Severity
from jaxdebug.reports import format_number


def nonfinite_findings(measured: Measured) -> list[Finding]:
    """A finding on what goes in, or on the first layer, or the first cotangent.

    Args:
        measured: outputs in the order of the forward pass, cotangents in that of
            the backward pass.
    """
    every = parameters(measured)
    broken = [(site, n) for site, n in every if whole(n, "nonfinite")]
    if broken:
        return [_parameters(broken, len(every))]
    reaches = any(
        whole(numbers, "nonfinite")
        for _, numbers in of_kind(measured, "gradient", "update")
    )
    for kind, code, noun in (
        ("output", "nonfinite-layer", "output"),
        ("cotangent", "nonfinite-cotangent", "cotangent"),
    ):
        for site, numbers in of_kind(measured, kind):
            if whole(numbers, "nonfinite"):
                return [
                    found(
                        code,
                        site.name,
                        f"the first layer whose {noun} is not finite"
                        f"{at(site)}: {_share(_evidence(numbers))} values; "
                        f"{_REACH[reaches]}",
                        severity=Severity.ERROR if reaches else Severity.INFO,
                        line=site.line,
                        evidence={**_evidence(numbers), "reaches_gradient": reaches},
                    )
                ]
    return []


def _parameters(broken: Measured, of: int) -> Finding:
    """One finding, however many there are: one NaN spoils them all within a step."""
    names = [site.name for site, _ in broken]
    counts = [_evidence(numbers) for _, numbers in broken]
    sums = {name: sum(count[name] for count in counts) for name in counts[0]}
    message = f"{_share(sums)} values are not finite"
    if len(names) > 1:
        message += f", in {len(names)} of {of} parameters"
    evidence = {**sums, "parameters": names}
    return found("nonfinite-parameter", listed(names), message, evidence=evidence)


_REACH = {
    True: "gradients are not finite either",
    False: "no gradient or update that was measured is affected",
}


def _share(counts: Mapping[str, int]) -> str:
    return f"{format_number(counts['nonfinite'])} of {format_number(counts['count'])}"


def _evidence(numbers: Numbers) -> dict[str, int]:
    return {name: whole(numbers, name) for name in ("nonfinite", "count")}
