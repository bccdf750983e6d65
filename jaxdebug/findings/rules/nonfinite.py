"""The first site that is not finite, forward and backward."""

from __future__ import annotations

from jaxdebug.findings.finding import Finding, found
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
    broken = [
        found(
            "nonfinite-parameter",
            site.name,
            f"{_share(numbers)} values are not finite",
            evidence=_evidence(numbers),
        )
        for site, numbers in parameters(measured)
        if whole(numbers, "nonfinite")
    ]
    if broken:
        return broken
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
                        f"{at(site)}: {_share(numbers)} values; {_REACH[reaches]}",
                        severity=Severity.ERROR if reaches else Severity.INFO,
                        line=site.line,
                        evidence={**_evidence(numbers), "reaches_gradient": reaches},
                    )
                ]
    return []


_REACH = {
    True: "gradients are not finite either",
    False: "no gradient or update that was measured is affected",
}


def _share(numbers: Numbers) -> str:
    counts = _evidence(numbers)
    return f"{format_number(counts['nonfinite'])} of {format_number(counts['count'])}"


def _evidence(numbers: Numbers) -> dict[str, int]:
    return {name: whole(numbers, name) for name in ("nonfinite", "count")}
