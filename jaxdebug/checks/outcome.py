"""What one check of several found: passed, warned, failed, undecided or not run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jaxdebug.findings import Finding, Severity
from jaxdebug.reports import Verdict

NOT_RUN = "not run"
WARNING = "warning"


class CannotRun(Exception):
    """A check lacks what it needs; the message says what to give."""


@dataclass(frozen=True)
class Outcome:
    """What one check of several found.

    Attributes:
        name: of the check, such as `"initial-loss"`.
        verdict: fail if a finding is an error; None if the check could not run.
        said: the number that was found beside the one it is judged by, in one line;
            or why nothing could be decided, or what is missing.
        findings: what is wrong, each with what to try.
        numbers: what was measured, for machines.
        seconds: that it took, with compilation.
    """

    name: str
    verdict: Verdict | None
    said: str
    findings: tuple[Finding, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def word(self) -> str:
        """The verdict in one word; a pass with a warning is a warning."""
        if self.verdict is None:
            return NOT_RUN
        warned = any(one.severity is Severity.WARNING for one in self.findings)
        return WARNING if warned and self.verdict is Verdict.PASS else self.verdict


def judged(
    name: str,
    said: str,
    findings: Sequence[Finding] = (),
    numbers: Mapping[str, Any] | None = None,
) -> Outcome:
    """The outcome of a check that could decide.

    Args:
        name: of the check.
        said: the numbers, in one line.
        findings: what is wrong; none if nothing is.
        numbers: what was measured, for machines.

    Example:
        >>> judged("labels", "10 classes, the rarest 8 % of examples").word
        <Verdict.PASS: 'pass'>
    """
    failed = any(one.severity is Severity.ERROR for one in findings)
    verdict = Verdict.FAIL if failed else Verdict.PASS
    return Outcome(name, verdict, said, tuple(findings), numbers or {})


def undecided(name: str, why: str, numbers: Mapping[str, Any] | None = None) -> Outcome:
    """The outcome of a check whose numbers decide neither."""
    return Outcome(name, Verdict.INCONCLUSIVE, why, (), numbers or {})


def not_run(name: str, why: str) -> Outcome:
    """The outcome of a check that could not run.

    Args:
        name: of the check.
        why: what is missing and what to give, such as ``"give `targets`"``.
    """
    return Outcome(name, None, why)
