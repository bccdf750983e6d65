"""What was recorded of a training: the last of it in memory, all of it in a run."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxdebug.findings import Finding
from jaxdebug.training.layout import Layout
from jaxdebug.training.recorder.observation import Reading
from jaxdebug.training.recorder.table import table_of
from jaxdebug.training.store.writer import RunWriter

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
    """

    def __init__(self, writer: RunWriter) -> None:
        self.writer = writer
        self.numbers = deque[tuple[int, Mapping[str, float]]](maxlen=SCALARS)
        self.samples = deque[tuple[int, Reading]](maxlen=SAMPLES)
        self.events = deque[Event](maxlen=EVENTS)
        self.findings: list[Finding] = []
        self.sampled = 0
        self._layouts: dict[Layout, Layout] = {}

    def scalars(self, step: int, numbers: Mapping[str, float]) -> None:
        """Scalars of a step."""
        self.numbers.append((step, numbers))
        self.writer.write_scalars(step, numbers)

    def sample(self, step: int, reading: Reading) -> None:
        """Statistics of a step, and checksums of its arguments."""
        self.samples.append((step, reading))
        self.sampled += 1
        if not self.writer.is_recording:
            return
        layout, values = table_of(reading.statistics)
        # One object for all steps: its digest is computed once.
        layout = self._layouts.setdefault(layout, layout)
        self.writer.write_sample(step, layout, values)
        sums = np.fromiter(reading.checksums.values(), np.uint32)
        self.writer.write_checksums(step, tuple(reading.checksums), sums)

    def finding(self, step: int, finding: Finding) -> None:
        """Something that was found."""
        self.findings.append(finding)
        self.writer.write_finding(step, finding)

    def event(self, step: int, kind: str, content: Any) -> None:
        """Something that happened."""
        self.events.append(Event(step, kind, content))
        self.writer.write_event(step, kind, content)
