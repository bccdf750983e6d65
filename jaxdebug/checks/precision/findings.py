"""The findings of a precision check: one for each place where digits are lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from jaxdebug.checks.report_parts import short_place
from jaxdebug.findings import Finding, Severity, found
from jaxdebug.findings.finding import worst_first
from jaxdebug.findings.parts import listed
from jaxdebug.reports import format_number

if TYPE_CHECKING:
    from jaxdebug.checks.precision.causes import Cause
    from jaxdebug.checks.precision.report import ResultPrecision

CODES = {
    "overflow": "value-overflow",
    "underflow": "value-underflow",
    "cancellation": "catastrophic-cancellation",
    "accumulation": "lossy-accumulation",
    "cast": "lossy-cast",
    "ill-conditioned": "ill-conditioned-operation",
}

HINTS = {
    "log1p": "Write jnp.log1p(x) for jnp.log(1 + x).",
    "expm1": "Write jnp.expm1(x) for jnp.exp(x) - 1.",
    "variance": "Take a variance of the differences to the mean: jnp.var(x), not "
    "jnp.mean(x**2) - jnp.mean(x)**2.",
    "exp": "Subtract the largest operand before exp, as jax.nn.softmax and "
    "jax.nn.logsumexp do.",
}

FLIPPED = 0.1
"""Part of a result that decisions change, above which it is said."""


def precision_findings(
    name: str, results: Sequence[ResultPrecision], causes: Sequence[Cause]
) -> tuple[Finding, ...]:
    """One finding for each place, and one for what no place explains.

    Args:
        name: of the function.
        results: outputs and gradients.
        causes: that the results point to.
    """
    behind: dict[tuple[str, ...], list[tuple[ResultPrecision, Cause]]] = {}
    findings = []
    for result in results:
        if result.reason == "not-finite":
            findings.append(_not_finite(result))
        elif result.reason in ("half-lost", "lost", "overflow"):
            if not result.causes:
                findings.append(_unexplained(result))
                continue
            cause = causes[result.causes[0]]
            key = (cause.reason, cause.line or cause.layer, cause.primitive)
            behind.setdefault(key, []).append((result, cause))
        if result.flips > FLIPPED and result.reason != "negligible":
            findings.append(flipped(result.name, result.kind, result.flips))
    findings += [_of_cause(name, several) for several in behind.values()]
    return tuple(worst_first(findings))


def _of_cause(name: str, several: Sequence[tuple[ResultPrecision, Cause]]) -> Finding:
    cause = max((each for _, each in several), key=lambda each: each.digits)
    reached = sorted((result for result, _ in several), key=lambda r: -r.error)
    names = [
        f"{_kind(result)} ({format_number(result.error)})"
        for result in reached
        if np.isfinite(result.error)
    ]
    names += [f"{_kind(result)} (not finite)" for result in reached if _broken(result)]
    layer = name if cause.layer == "(top)" else cause.layer
    finding = found(
        CODES[cause.reason],
        layer,
        f"{_what(cause)}; reaches {listed(names)}",
        severity=_severity(cause, [result for result, _ in several]),
        line=cause.line or None,
        evidence={
            "primitive": cause.primitive,
            "dtype": cause.dtype,
            "backward": cause.backward,
            "before": cause.before,
            "after": cause.after,
            "digits": cause.digits,
            "made_here": cause.made,
            "condition": cause.condition,
            "overflows": cause.overflows,
            "underflows": cause.underflows,
            "elements": cause.elements,
            "iteration": cause.iteration,
            "rounded_at": cause.origin,
            "rounded_to": cause.origin_dtype,
        },
    )
    hint = HINTS.get(cause.hint)
    if hint is None or (cause.hint == "exp" and cause.reason != "overflow"):
        return finding
    return replace(finding, remedies=(hint, *finding.remedies))


def _severity(cause: Cause, results: Sequence[ResultPrecision]) -> Severity:
    """Worse where a result is not finite, milder where digits are left."""
    if any(map(_broken, results)):
        return Severity.ERROR
    lost = any(result.reason == "lost" for result in results)
    return Severity.WARNING if lost else Severity.INFO


def _broken(result: ResultPrecision) -> bool:
    return not np.isfinite(result.error)


def _kind(result: ResultPrecision) -> str:
    return f"gradient of {result.name}" if result.kind == "gradient" else result.name


def _what(cause: Cause) -> str:
    """What happens there, with its numbers."""
    where = " of the backward pass" if cause.backward else ""
    start = f"`{cause.primitive}`{where} in {cause.dtype}"
    if cause.reason == "overflow":
        return (
            f"{start} makes {cause.overflows} of {cause.elements} elements infinite "
            "that are finite in float64"
        )
    grows = (
        f"the relative error grows from {format_number(cause.before)} to "
        f"{format_number(cause.after)} ({cause.digits:.1f} digits)"
    )
    if cause.reason == "underflow":
        return (
            f"{start} loses {cause.underflows} of {cause.elements} elements below the "
            f"dtype's smallest numbers: {grows}"
        )
    if cause.reason == "cancellation" and cause.condition > 1:
        grows += (
            f", what is added up is {format_number(cause.condition)} times larger than "
            "the sum"
        )
    if cause.iteration > 0:
        grows += f", worst in iteration {cause.iteration}"
    if cause.origin and cause.reason in ("cast", "cancellation", "ill-conditioned"):
        grows += (
            f"; what comes in was rounded to {cause.origin_dtype} at "
            f"{short_place(cause.origin)}"
        )
    return f"{start}: {grows}"


def _unexplained(result: ResultPrecision) -> Finding:
    start = f"the {result.dtype} {result.kind} is"
    if _broken(result):
        severity, message = (
            Severity.ERROR,
            f"{start} not finite, that of float64 is; which operation makes it so is "
            "not identified",
        )
    else:
        severity, message = (
            Severity.INFO,
            f"{start} {format_number(result.error)} of its norm away from the float64 "
            "one; no single operation loses the digits, they go little by little",
        )
    return found(
        "precision-loss",
        result.name,
        message,
        severity=severity,
        evidence={"error": result.error, "explained": result.explained},
    )


def _not_finite(result: ResultPrecision) -> Finding:
    code = "nonfinite-gradient" if result.kind == "gradient" else "nonfinite-loss"
    return found(
        code,
        result.name,
        f"the {result.kind} is not finite in float64 either: precision is not why",
    )


def flipped(name: str, kind: str, change: float) -> Finding:
    """That decisions, not rounding, make a result another one in float64."""
    return found(
        "flipped-decisions",
        name,
        f"float64 decides otherwise often enough to change the {kind} by "
        f"{format_number(change)} of its norm",
        evidence={"change": change, "threshold": FLIPPED},
    )
