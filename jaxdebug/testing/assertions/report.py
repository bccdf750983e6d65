"""What an assertion found: values on the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxdebug.checks.report import Report, finding_records
from jaxdebug.findings import Finding, found
from jaxdebug.reports import Document, Section, Verdict


@dataclass(frozen=True)
class AssertionReport(Report):
    """Whether something holds of a function.

    Attributes:
        assertion: its name, such as `assert_jit_consistent`.
        name: of the function.
        says: what should hold, in words.
        verdict: pass, fail, or inconclusive.
        wrong: everything that was found to be otherwise, worst first; or why it could
            not be decided.
        notes: what was looked at.
        remedies: what to try.
    """

    schema: ClassVar[str] = "jaxdebug.assertion/1"

    assertion: str
    name: str
    says: str
    verdict: Verdict
    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """One, if it does not hold."""
        if self.verdict is not Verdict.FAIL:
            return ()
        message = f"not so that {self.says}: {'; '.join(self.wrong[:1])}"
        finding = found(
            "broken-property",
            self.name,
            message,
            remedies=self.remedies,
            evidence={"wrong": list(self.wrong)},
        )
        return (finding,)

    def _document(self) -> Document:
        head = {Verdict.PASS: "", Verdict.FAIL: "not so that "}.get(
            self.verdict, "not decided that "
        )
        sections = [Section("Found", listing=self.wrong)] if self.wrong else []
        if self.remedies and not self.ok:
            sections.append(Section("What to try", listing=self.remedies))
        if self.notes:
            sections.append(Section("Looked at", self.notes))
        title = f"{self.assertion} of {self.name}"
        return Document(title, self.verdict, f"{head}{self.says}", tuple(sections))

    def _record(self) -> Mapping[str, Any]:
        return {
            "assertion": self.assertion,
            "name": self.name,
            "says": self.says,
            "verdict": self.verdict,
            "findings": finding_records(self.findings),
            "wrong": self.wrong,
            "notes": self.notes,
            "remedies": self.remedies,
        }


def asserted(
    assertion: str,
    name: str,
    says: str,
    wrong: Sequence[str],
    *,
    undecided: Sequence[str] = (),
    notes: Sequence[str] = (),
    remedies: Sequence[str] = (),
) -> AssertionReport:
    """The report of an assertion, if nothing is wrong; raised if something is.

    Args:
        assertion: its name.
        name: of the function.
        says: what should hold.
        wrong: what is wrong.
        undecided: why it could not be decided.
        notes: what was looked at.
        remedies: what to try.

    Raises:
        ReportFailed: with the whole report, unless it passes.
    """
    __tracebackhide__ = True
    verdict = Verdict.PASS
    if wrong or undecided:
        verdict = Verdict.FAIL if wrong else Verdict.INCONCLUSIVE
    report = AssertionReport(
        assertion,
        name,
        says,
        verdict,
        tuple(wrong or undecided),
        tuple(notes),
        tuple(remedies),
    )
    report.raise_if_failed()
    return report


def name_of(function: Any) -> str:
    """The name of a function, or of its class."""
    return getattr(function, "__name__", type(function).__name__)
