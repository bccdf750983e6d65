"""What was recorded of a training: the last of it in memory, all of it in a run."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxdebug.findings import Finding
from jaxdebug.findings.rules.all_rules import rules
from jaxdebug.training.layout import Layout
from jaxdebug.training.recorder.arguments import Call
from jaxdebug.training.recorder.histograms import histograms_of
from jaxdebug.training.recorder.incident import Incident
from jaxdebug.training.recorder.observation import Reading
from jaxdebug.training.recorder.sightings import Sightings
from jaxdebug.training.recorder.table import table_of
from jaxdebug.training.store.writer import RunWriter
from jaxdebug.training.trends.trends import Trends

SCALARS, SAMPLES, EVENTS = 10_000, 16, 1_000
"""Steps whose scalars, samples whose statistics, and events that memory holds."""


class Event(NamedTuple):
    """Something that happened at a step."""

    step: int
    kind: str
    content: Any


class History:
    """The last scalars, samples and events of a training.

    Args:
        writer: of the run that all of it is recorded in.
        trends: looks at what changes from sample to sample.
        histograms: from how many samples histograms are written of one; 0 for none.
    """

    def __init__(self, writer: RunWriter, trends: Trends, histograms: int = 0) -> None:
        self.writer, self.trends, self.histograms = writer, trends, histograms
        self.numbers = deque[tuple[int, Mapping[str, float]]](maxlen=SCALARS)
        self.samples = deque[tuple[int, Reading]](maxlen=SAMPLES)
        self.events = deque[Event](maxlen=EVENTS)
        self.findings: list[Finding] = []
        self.sampled = 0
        self._sightings = Sightings()
        self._layouts: dict[Layout, Layout] = {}

    def scalars(self, step: int, numbers: Mapping[str, float]) -> None:
        """Scalars of a step."""
        self.numbers.append((step, numbers))
        self.writer.write_scalars(step, numbers)

    def sample(self, step: int, reading: Reading) -> None:
        """Statistics of a step, and checksums of its arguments."""
        self.samples.append((step, reading))
        self.sampled += 1
        measured = list(reading.statistics)
        is_finite = not reading.spoilt()
        found = self._sightings.sample(step, rules(measured), is_finite=is_finite)
        for seen, finding in found:
            self.finding(seen, finding)
        self._note(step, self.trends.sample(step, reading))
        if not self.writer.is_recording:
            return
        layout, values = table_of(measured)
        # One object for all steps: its digest is computed once.
        layout = self._layouts.setdefault(layout, layout)
        self.writer.write_sample(step, layout, values)
        if self.histograms and self.sampled % self.histograms == 1 % self.histograms:
            for one in histograms_of(measured):
                self.writer.write_histogram(step, *one)
        sums = np.fromiter(reading.checksums.values(), np.uint32)
        self.writer.write_checksums(step, tuple(reading.checksums), sums)

    def close(self) -> None:
        """Tell what waited for another sample, and end the run on the disk."""
        for step, finding in self._sightings.rest():
            self._note(step, self._sightings.fresh(step, [finding]))
        self.writer.close()

    def called(self, step: int, call: Call) -> None:
        """That a step was called; costs nothing but where it was compiled."""
        self._note(step, self.trends.called(step, call))

    def _note(self, step: int, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.finding(step, finding)

    def finding(self, step: int, finding: Finding) -> None:
        """Something that was found."""
        self.findings.append(finding)
        self.writer.write_finding(step, finding)

    def incident(self, incident: Incident) -> None:
        """A value that was not finite."""
        self.finding(incident.seen, incident.finding)
        if incident.report is not None:
            report = json.loads(incident.report.to_json())
            self.event(incident.seen, "nonfinite", report)

    def event(self, step: int, kind: str, content: Any) -> None:
        """Something that happened."""
        self.events.append(Event(step, kind, content))
        if kind == "state-replaced":
            self.trends.restart(step)
        self.writer.write_event(step, kind, content)
