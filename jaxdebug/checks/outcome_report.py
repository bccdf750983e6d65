"""The report of many checks: which passed, which failed, which could not run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from jaxdebug.checks.outcome import NOT_RUN, WARNING, Outcome, judged
from jaxdebug.checks.report import Report, finding_records
from jaxdebug.checks.report_parts import finding_sections, silenced_sections
from jaxdebug.findings import Finding
from jaxdebug.findings.finding import worst_first
from jaxdebug.findings.silence import silenced
from jaxdebug.reports import Column, Document, Section, Table, Verdict, worst

WORDS = (Verdict.FAIL, WARNING, Verdict.INCONCLUSIVE, NOT_RUN, Verdict.PASS)
"""What a check can come to, worst first."""


@dataclass(frozen=True)
class OutcomeReport(Report):
    """What many checks of one thing found.

    Attributes:
        check: the function that reported, such as `"check_data"`.
        name: what was examined.
        verdict: the worst of the checks that ran; inconclusive if none did.
        outcomes: of all checks, in the order in which they ran.
        findings: of all checks, worst first.
        seed: of what was drawn.
        cost: seconds, with compilation.
        silenced: findings that the user asked not to count.
        said: what else there is to know, such as that it was interrupted.
    """

    schema: ClassVar[str] = "jaxdebug.checks/1"

    check: str
    name: str
    verdict: Verdict
    outcomes: tuple[Outcome, ...]
    findings: tuple[Finding, ...]
    seed: int
    cost: Mapping[str, float]
    silenced: tuple[Finding, ...] = ()
    said: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Outcome:
        """The outcome of one check.

        Raises:
            KeyError: if none of that name was asked for; lists those that were.
        """
        for one in self.outcomes:
            if one.name == name:
                return one
        known = ", ".join(one.name for one in self.outcomes)
        raise KeyError(f"no check {name!r} in this report; it has {known}")

    def _document(self) -> Document:
        counts = Counter(one.word for one in self.outcomes)
        head = ", ".join(f"{counts[word]} {word}" for word in WORDS if counts[word])
        title = f"{TITLES[self.check]} {self.name}"
        return Document(title, self.verdict, head, tuple(_sections(self)))

    def _record(self) -> Mapping[str, Any]:
        return {
            "check": self.check,
            "name": self.name,
            "verdict": self.verdict,
            "findings": finding_records(self.findings),
            "silenced": finding_records(self.silenced),
            "checks": [
                {
                    "name": one.name,
                    "verdict": one.word,
                    "said": one.said,
                    "numbers": dict(one.numbers),
                    "seconds": one.seconds,
                }
                for one in self.outcomes
            ],
            "said": self.said,
            "seed": self.seed,
            "cost": dict(self.cost),
        }


TITLES = {"check_data": "data of", "checkup": "check-up of", "lint": "lint of"}
"""What each check is of."""


def outcome_report(
    check: str,
    name: str,
    outcomes: Iterable[Outcome],
    *,
    silence: Sequence[str] = (),
    seed: int = 0,
    seconds: float = 0.0,
    said: Sequence[str] = (),
    complete: bool = True,
) -> OutcomeReport:
    """The report of some outcomes.

    Args:
        check: the function that reports.
        name: what was examined.
        outcomes: of its checks, in order.
        silence: patterns of findings that do not count.
        seed: of what was drawn.
        seconds: that all took.
        said: what else there is to know.
        complete: whether all checks that were asked for ran; what was interrupted does
            not pass.
    """
    kept: list[Outcome] = []
    quiet: list[Finding] = []
    for one in outcomes:
        counted, known = silenced(one.findings, silence)
        quiet += known
        again = judged(one.name, one.said, counted).verdict if known else one.verdict
        kept.append(replace(one, findings=counted, verdict=again))
    ran = [one.verdict for one in kept if one.verdict is not None]
    if not complete:
        ran.append(Verdict.INCONCLUSIVE)
    return OutcomeReport(
        check,
        name,
        worst(ran or [Verdict.INCONCLUSIVE]),
        tuple(kept),
        tuple(worst_first(each for one in kept for each in one.findings)),
        seed,
        {"seconds": seconds},
        tuple(quiet),
        tuple(said),
    )


def _sections(report: OutcomeReport) -> Iterator[Section]:
    yield from finding_sections(report.findings)
    columns = (
        Column("check", "path"),
        Column("verdict", "status"),
        Column("found"),
        Column("seconds", "number"),
    )
    rows = tuple(
        (one.name, one.word, one.said, round(one.seconds, 2))
        for one in sorted(report.outcomes, key=lambda one: WORDS.index(one.word))
    )
    yield Section("Checks", report.said, Table(columns, rows))
    yield from silenced_sections(report.silenced)
    yield Section(
        "Cost",
        (f"{report.cost['seconds']:.1f} s with compilation, seed {report.seed}",),
    )
