"""A run that was recorded: values on the host."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from jaxdebug.checks.report import Report, finding_records
from jaxdebug.findings import Finding
from jaxdebug.reports import Document, Verdict
from jaxdebug.training.layout import Layout, Row
from jaxdebug.training.records import Event
from jaxdebug.training.runs.summary import run_document, scalar_summary
from jaxdebug.training.runs.table import matches, tidy


class Series(NamedTuple):
    """Values over steps, in the order of the steps.

    Attributes:
        steps: integers.
        values: one for each step.
    """

    steps: np.ndarray
    values: np.ndarray


class Samples(NamedTuple):
    """Packed statistics of one layout.

    Attributes:
        layout: names of the rows and columns.
        steps: integers.
        values: of shape (steps, rows, columns).
    """

    layout: Layout
    steps: np.ndarray
    values: np.ndarray


class HistogramAt(NamedTuple):
    """A histogram of one step.

    Attributes:
        step: the step.
        edges: one more than there are counts.
        counts: of elements between two edges.
    """

    step: int
    edges: np.ndarray
    counts: np.ndarray


class Session(NamedTuple):
    """One stretch of recording: a run has another one each time it is resumed.

    Attributes:
        started: seconds since 1970.
        ended: the same; None if it was not closed: it runs still, or was killed.
        manifest: versions, system, and what the recorder was given.
    """

    started: float
    ended: float | None
    manifest: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Run(Report):
    """A run that was recorded.

    Where a run was resumed at a step that it had passed before, the later record of a
    step counts; events are all there.

    Attributes:
        path: of the file.
        verdict: fail if an error was found, inconclusive if nothing was recorded.
        findings: that were recorded, worst first.
        sessions: stretches of recording, at least one.
        scalars: `Series` by name.
        samples: packed statistics, by layout.
        checksums: `Series` of integers by leaf.
        histograms: by name, in the order of the steps.
        events: in the order they came.
    """

    schema: ClassVar[str] = "jaxdebug.run/1"

    path: Path
    verdict: Verdict
    findings: tuple[Finding, ...]
    sessions: tuple[Session, ...]
    scalars: Mapping[str, Series]
    samples: tuple[Samples, ...]
    checksums: Mapping[str, Series]
    histograms: Mapping[str, tuple[HistogramAt, ...]]
    events: tuple[Event, ...]

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Of the last session."""
        return self.sessions[-1].manifest

    @property
    def finished(self) -> bool:
        """Whether the last session was closed in order."""
        return self.sessions[-1].ended is not None

    @property
    def rows(self) -> tuple[Row, ...]:
        """What statistics there are of: rows of all layouts, in their order."""
        every = (row for samples in self.samples for row in samples.layout.rows)
        return tuple(dict.fromkeys(every))

    @property
    def statistics(self) -> tuple[str, ...]:
        """Names of the statistics, in their order."""
        names = (name for samples in self.samples for name in samples.layout.columns)
        return tuple(dict.fromkeys(names))

    def statistic(
        self,
        path: str,
        statistic: str,
        *,
        kind: str | None = None,
        direction: str | None = None,
    ) -> Series:
        """One statistic of one leaf or layer over the sampled steps.

        Args:
            path: of the leaf or the layer.
            statistic: such as `rms`.
            kind: such as `gradient`; may be left out if the path has one kind only.
            direction: as `kind`.

        Raises:
            KeyError: if there is none, or several; lists what there is.
        """
        wanted = (path, direction, kind)
        matching = [row for row in self.rows if matches(row, wanted)]
        if len(matching) != 1 or statistic not in self.statistics:
            raise KeyError(self._not_one(path, statistic, matching))
        (row,) = matching
        parts = [
            Series(steps, values[:, layout.rows.index(row), place])
            for layout, steps, values in self.samples
            for place, name in enumerate(layout.columns)
            if name == statistic and row in layout.rows
        ]
        if not parts:
            raise KeyError(f"{statistic!r} was not recorded of {tuple(row)}")
        return joined(parts)

    def table(
        self,
        *,
        path: str | None = None,
        statistic: str | None = None,
        kind: str | None = None,
        direction: str | None = None,
    ) -> dict[str, np.ndarray]:
        """Statistics as a tidy table: one line for each number.

        Args:
            path: only of this leaf or layer.
            statistic: only this one.
            kind: only of this kind.
            direction: only of this direction.

        Returns:
            The columns `step`, `path`, `direction`, `kind`, `statistic` and `value`.

        Cost:
            48 bytes for each number.
        """
        return tidy(self.samples, (path, direction, kind), statistic)

    def to_pandas(self, **only: str | None) -> Any:
        """The table as a pandas DataFrame.

        Args:
            only: as of `table`.

        Raises:
            ImportError: if pandas is not installed.
        """
        try:
            pandas = import_module("pandas")
        except ImportError:
            raise ImportError(
                "to_pandas needs pandas: pip install pandas; table() gives the same "
                "columns as NumPy arrays"
            ) from None
        return pandas.DataFrame(self.table(**only))

    def _not_one(self, path: str, statistic: str, matching: list[Row]) -> str:
        if statistic not in self.statistics:
            known = ", ".join(self.statistics) or "none"
            return f"no statistic {statistic!r}; there are: {known}"
        if matching:
            listed = ", ".join(str(tuple(row)) for row in matching)
            return f"several rows of {path!r}; give kind= or direction=: {listed}"
        paths = list(dict.fromkeys(row.path for row in self.rows))
        close = difflib.get_close_matches(path, paths, 5) or paths[:5]
        return f"no such row of {path!r}; of {len(paths)} paths, such as: {close}"

    def _document(self) -> Document:
        return run_document(self)

    def _record(self) -> Mapping[str, Any]:
        return {
            "path": str(self.path),
            "verdict": self.verdict,
            "finished": self.finished,
            "findings": finding_records(self.findings),
            "sessions": [session._asdict() for session in self.sessions],
            "scalars": [
                {"name": name, **scalar_summary(*series)}
                for name, series in self.scalars.items()
            ],
            "samples": [
                {
                    "steps": len(steps),
                    "first": int(steps[0]),
                    "last": int(steps[-1]),
                    "rows": len(layout.rows),
                    "statistics": layout.columns,
                }
                for layout, steps, _ in self.samples
            ],
            "checksums": len(self.checksums),
            "histograms": len(self.histograms),
            "events": [event._asdict() for event in self.events],
        }


def joined(parts: list[Series]) -> Series:
    """Several series as one, in the order of the steps."""
    steps = np.concatenate([part.steps for part in parts])
    values = np.concatenate([part.values for part in parts])
    order = np.argsort(steps, kind="stable")
    return frozen_series(steps[order], values[order])


def frozen_series(steps: np.ndarray, values: np.ndarray) -> Series:
    """A series whose arrays cannot be changed."""
    for array in (steps, values):
        array.flags.writeable = False
    return Series(steps, values)
