"""Recording a run: takes values on the host, never waits, never raises for the disk."""

from __future__ import annotations

import operator
import os
import sqlite3
import weakref
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdebug.checks.report import finding_records
from jaxdebug.findings import Finding
from jaxdebug.reports import json_value, show_name
from jaxdebug.training.arrays import to_raw
from jaxdebug.training.errors import warn
from jaxdebug.training.layout import Layout
from jaxdebug.training.records import (
    Checksums,
    Histogram,
    Record,
    Sample,
    Scalars,
    event_now,
)
from jaxdebug.training.sinks.outlets import Outlets
from jaxdebug.training.sinks.sink import Sink
from jaxdebug.training.store.file import RunFile, open_file
from jaxdebug.training.store.manifest import manifest_text
from jaxdebug.training.store.recording import Recording

PATIENCE = 60.0
"""Seconds that closing waits for the disk and the sinks."""


def open_run(
    run_dir: str | os.PathLike[str] | None,
    *,
    manifest: Mapping[str, Any] | None = None,
    resume: bool = False,
    process_index: int = 0,
    sinks: Sequence[Sink] = (),
    sink_statistics: Collection[str] = ("rms",),
    flush_every: float = 2.0,
    queue_bytes: int = 64 * 2**20,
) -> RunWriter:
    """Begin to record a run.

    Args:
        run_dir: the run's folder, made if it is missing; None to write to sinks alone.
        manifest: what to keep of the run's settings, such as `every` and `devices`:
            anything JSON can hold. Versions and the start are added.
        resume: whether a run that is there may be taken up again.
        process_index: of this process; only process 0 writes.
        sinks: where to write as well.
        sink_statistics: columns of samples that sinks are given as scalars.
        flush_every: seconds between two transactions.
        queue_bytes: what samples may take in memory while they wait, twice: for the
            thread, and while the disk cannot be written.

    Returns:
        A writer that is to be closed. If the folder cannot be written, one that warned
        and drops what it is given.

    Raises:
        RunError: if the folder is in use, holds a run and `resume` is false, or holds
            one that cannot be taken up again.
        TypeError: if the manifest holds what JSON cannot.
        ValueError: if `flush_every` or `queue_bytes` is not above 0.

    Cost:
        A thread; of a step, what it takes to copy its arrays.
    """
    if not flush_every > 0 or not queue_bytes > 0:
        raise ValueError(
            "expected flush_every and queue_bytes above 0; found "
            f"flush_every={flush_every!r}, queue_bytes={queue_bytes!r}"
        )
    if process_index != 0:
        return RunWriter(None)
    text = manifest_text(manifest or {})
    file = problem = None
    if run_dir is not None:
        try:
            file = open_file(Path(run_dir), text, resume=resume)
        except (OSError, sqlite3.Error) as error:
            problem = f"{show_name(os.fspath(run_dir))} is not recorded: {error}"
    return RunWriter(
        _begun(file, problem, sinks, sink_statistics, flush_every, queue_bytes)
    )


def _begun(
    file: RunFile | None,
    problem: str | None,
    sinks: Sequence[Sink],
    statistics: Collection[str],
    flush_every: float,
    queue_bytes: int,
) -> Recording | None:
    if problem is not None:
        warn(problem, stacklevel=4)
    if file is None and not sinks:
        return None
    recording = Recording(file, Outlets(sinks, statistics), queue_bytes, flush_every)
    if problem is not None:
        recording.add(event_now(0, "recording-off", {"message": problem}))
    return recording


class RunWriter:
    """Records a run; made by `open_run`.

    Every method returns at once and may be called from any thread. In a forked child
    they do nothing. What goes wrong with the disk is said by one `RecordingWarning` at
    a later call, and never raised. Wrong arguments are.

    Args:
        recording: what is behind it; None to drop everything.
    """

    def __init__(self, recording: Recording | None) -> None:
        self._recording = recording
        # Closes at exit, or when nobody can write any more.
        self._finish = (
            weakref.finalize(self, recording.close, PATIENCE) if recording else None
        )

    @property
    def is_recording(self) -> bool:
        """Whether what is written now goes anywhere."""
        recording = self._recording
        return recording is not None and recording.is_ours and recording.is_open

    def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Record numbers of one step; NaN and infinities as they are.

        Args:
            step: the step.
            scalars: real numbers of Python or NumPy by name.
        """
        if self._is_ready():
            values = {str(name): float(value) for name, value in scalars.items()}
            self._add(Scalars(operator.index(step), values))

    def write_sample(self, step: int, layout: Layout, values: Any) -> None:
        """Record the statistics of one step.

        Args:
            step: the step.
            layout: the names of the rows and columns; use one object for all steps.
            values: the packed array, of the layout's shape.

        Raises:
            ValueError: if the shape is another one.
        """
        if self._is_ready():
            _check_shape("values", np.shape(values), layout.shape)
            self._add(Sample(operator.index(step), layout, to_raw(values)))

    def write_checksums(self, step: int, leaves: Sequence[str], values: Any) -> None:
        """Record a checksum of each leaf.

        Args:
            step: the step.
            leaves: paths; use one tuple for all steps.
            values: integers, one for each path.

        Raises:
            ValueError: if there are not as many integers as paths.
        """
        if self._is_ready():
            leaves, values = tuple(leaves), np.asarray(values)
            _check_shape("values", values.shape, (len(leaves),))
            if values.dtype.kind not in "iu":
                raise ValueError(f"expected integers; found values of {values.dtype}")
            self._add(Checksums(operator.index(step), leaves, to_raw(values)))

    def write_histogram(self, step: int, name: str, edges: Any, counts: Any) -> None:
        """Record how many elements of an array lie between edges.

        Args:
            step: the step.
            name: of the array.
            edges: rising; one more than there are counts. Use the same for all steps.
            counts: of elements.

        Raises:
            ValueError: if there are not as many.
        """
        if self._is_ready():
            _check_shape("edges", np.shape(edges), (np.size(counts) + 1,))
            arrays = to_raw(edges), to_raw(np.ravel(counts))
            self._add(Histogram(operator.index(step), str(name), *arrays))

    def write_event(self, step: int, kind: str, content: Any = None) -> None:
        """Record that something happened.

        Args:
            step: the step.
            kind: such as `fallback` or `nonfinite`.
            content: what `to_json` of a report could hold.

        Raises:
            TypeError: if JSON cannot hold it.
        """
        if self._is_ready():
            step, kind = operator.index(step), str(kind)
            self._add(event_now(step, kind, json_value(content)))

    def write_finding(self, step: int, finding: Finding) -> None:
        """Record a finding, which `load_run` gives back."""
        if self._is_ready():
            (content,) = finding_records([finding])
            self.write_event(step, "finding", content)

    def flush(self, timeout: float = PATIENCE) -> bool:
        """Wait until everything is written; False if it was not, for any reason."""
        if self._recording is None or not self._is_ready():
            return False
        written = self._recording.flush(timeout)
        self._say()
        return written

    def close(self) -> None:
        """Write what is left, note the end and let the folder go; twice is fine."""
        if self._finish is not None and self._recording is not None:
            self._finish()
            self._say()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _add(self, record: Record) -> None:
        assert self._recording is not None
        self._recording.add(record)

    def _is_ready(self) -> bool:
        """Whether to take anything in; says what went wrong since it was last asked."""
        if self._recording is not None and self._recording.is_ours:
            self._say()
        return self.is_recording

    def _say(self) -> None:
        assert self._recording is not None
        unsaid = self._recording.unsaid
        while unsaid:
            warn(unsaid.pop(0), stacklevel=5)


def _check_shape(name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise ValueError(f"expected {name} of shape {expected}; found {found}")
