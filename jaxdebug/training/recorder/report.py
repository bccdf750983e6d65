"""What is known of a watched training so far: values on the host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from jaxdebug.checks.report import Report, finding_records
from jaxdebug.checks.report_parts import cut, finding_sections
from jaxdebug.findings import Finding, Severity
from jaxdebug.findings.finding import worst_first
from jaxdebug.findings.rules.all_rules import rules
from jaxdebug.reports import Column, Document, Section, Verdict
from jaxdebug.training.recorder.history import Event, History
from jaxdebug.training.recorder.sightings import place_of
from jaxdebug.training.runs.summary import scalar_summary


@dataclass(frozen=True)
class WatchReport(Report):
    """What was found in a training, and what was recorded of it.

    Attributes:
        name: of the step.
        verdict: fail if an error was found; inconclusive if nothing was watched.
        findings: of the training, and of every sampled step. What the last one shows
            still has its numbers.
        steps: how many there were.
        samples: how many of them were observed.
        scalars: how each went: first, last, smallest, largest, where it was not finite.
        events: what else happened, such as a fall-back.
        unseen: parts of the step that are not seen into, and leaves that were not told.
    """

    schema: ClassVar[str] = "jaxdebug.watch/1"

    name: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    steps: int
    samples: int
    scalars: Mapping[str, Mapping[str, Any]]
    events: tuple[Event, ...]
    unseen: tuple[str, ...]

    def _document(self) -> Document:
        found = len(self.findings)
        noun = "finding" if found == 1 else "findings"
        head = f"{found or 'no'} {noun} in {self.steps} steps, {self.samples} samples"
        return Document(
            f"training {self.name}", self.verdict, head, tuple(_sections(self))
        )

    def _record(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "verdict": self.verdict,
            "findings": finding_records(self.findings),
            "steps": self.steps,
            "samples": self.samples,
            "scalars": self.scalars,
            "events": [event._asdict() for event in self.events],
            "unseen": self.unseen,
        }


def watch_report(name: str, steps: int, history: History) -> WatchReport:
    """The report on what was recorded so far.

    Args:
        name: of the step.
        steps: how many there were.
        history: what was recorded.
    """
    findings, unseen = list(history.findings), []
    if history.samples:
        _, last = history.samples[-1]
        layout = last.statistics.layout
        now = rules(list(last.statistics))
        places = set(map(place_of, now))
        # What is found still is said with the numbers of now.
        findings = [one for one in findings if place_of(one) not in places] + now
        unseen += [str(part) for part in layout.unseen]
        unseen += [f"{'/'.join(path)}: {why}" for path, why in layout.unidentified]
    errors = any(finding.severity is Severity.ERROR for finding in findings)
    watched = Verdict.PASS if history.samples or history.numbers else None
    return WatchReport(
        name,
        Verdict.FAIL if errors else watched or Verdict.INCONCLUSIVE,
        tuple(worst_first(findings)),
        steps,
        history.sampled,
        {name: scalar_summary(*series) for name, series in _series(history).items()},
        tuple(history.events),
        tuple(unseen),
    )


def _series(history: History) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Steps and values of each scalar."""
    found: dict[str, list[tuple[int, float]]] = {}
    for step, numbers in history.numbers:
        for name, value in numbers.items():
            found.setdefault(name, []).append((step, value))
    series = {}
    for name, pairs in found.items():
        steps, values = zip(*pairs, strict=True)
        series[name] = np.array(steps), np.array(values)
    return series


def _sections(report: WatchReport) -> Iterator[Section]:
    yield from finding_sections(report.findings)
    if report.scalars:
        keys = ("first", "last", "smallest", "largest", "nonfinite_from")
        titles = (*keys[:-1], "non-finite from")
        columns = (Column("scalar", "path"), *(Column(t, "number") for t in titles))
        rows = [(name, *(s[key] for key in keys)) for name, s in report.scalars.items()]
        yield Section("Scalars", table=cut(columns, rows))
    others = [event for event in report.events if event.kind != "nonfinite"]
    if others:
        listing = (f"step {e.step}: {e.kind}: {_text(e.content)}" for e in others)
        yield Section("Events", listing=tuple(listing))
    if report.unseen:
        yield Section("Not checked", listing=report.unseen)


def _text(content: Any) -> str:
    message = content.get("message") if isinstance(content, Mapping) else None
    return str(message or content)
