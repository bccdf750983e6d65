"""Findings on samples, each told once: where it is seen first, or is worse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from jaxdebug.findings import Finding, Severity

_ORDER = list(Severity)

_FLEETING = ("nonfinite-layer", "nonfinite-cotangent")

_SPREADING = ("nonfinite-parameter",)
"""Told once, wherever it is: more places have it from one sample to the next."""


class Sightings:
    """What was found at which place, and how bad it was at the worst."""

    def __init__(self) -> None:
        self._worst: dict[tuple[str, str], int] = {}
        self._open: list[tuple[int, Finding]] = []

    def sample(
        self, step: int, findings: Iterable[Finding], *, is_finite: bool
    ) -> Iterator[tuple[int, Finding]]:
        """What is to be told at a sample, each with the step at which it was seen.

        Whether a gradient that is not finite is an error is known at the next sample:
        a step with a loss scale passes over it, and its parameters stay finite.

        Args:
            step: its number.
            findings: of it.
            is_finite: whether the parameters that the step was given are finite.
        """
        for seen, finding in self.rest():
            passed = passed_over(finding) if is_finite else finding
            yield from ((seen, one) for one in self.fresh(seen, [passed]))
        told = []
        for finding in findings:
            if finding.code in _FLEETING and finding.severity is Severity.ERROR:
                self._open.append((step, finding))
            else:
                told.append(finding)
        yield from ((step, one) for one in self.fresh(step, told))

    def rest(self) -> list[tuple[int, Finding]]:
        """What no later sample decided; takes it out."""
        rest, self._open = self._open, []
        return rest

    def fresh(self, step: int, findings: Iterable[Finding]) -> Iterator[Finding]:
        """The findings on one sample that say something new, with its step."""
        for finding in findings:
            severity = _ORDER.index(finding.severity)
            if severity >= self._worst.get(place_of(finding), len(_ORDER)):
                continue
            self._worst[place_of(finding)] = severity
            yield replace(
                finding,
                message=f"{finding.message} (seen at step {step})",
                evidence={**finding.evidence, "step": step},
            )


def passed_over(finding: Finding) -> Finding:
    """A finding on a gradient that did no harm."""
    return replace(
        finding,
        severity=Severity.INFO,
        message=f"{finding.message}; the step passed over it: its parameters are "
        "finite later, as with a loss scale that is lowered",
    )


def place_of(finding: Finding) -> tuple[str, str]:
    """What a finding is one of, however its numbers change."""
    return finding.code, "" if finding.code in _SPREADING else finding.where
