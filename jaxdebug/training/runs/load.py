"""A run's file as NumPy arrays."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from jaxdebug.findings import Finding, Severity
from jaxdebug.findings.finding import finding_of, worst_first
from jaxdebug.reports import Verdict
from jaxdebug.training.arrays import from_raw
from jaxdebug.training.layout import Layout, layout_of_content
from jaxdebug.training.records import Event
from jaxdebug.training.runs.opening import find_file, reading
from jaxdebug.training.runs.run import (
    HistogramAt,
    Run,
    Samples,
    Series,
    Session,
    frozen_series,
    joined,
)

_Part = TypeVar("_Part")


def load_run(path: str | os.PathLike[str]) -> Run:
    """Read a run that was recorded, or is being recorded.

    Nothing in the file is executed, and the file is not changed. A run that was killed
    is read as it was at its last flush.

    Args:
        path: the run's folder, or its file.

    Returns:
        The run, with NumPy arrays that cannot be changed.

    Raises:
        RunError: if there is no run, if it is of a newer jaxdebug, or damaged.
        TypeError: if `path` is no path.

    Cost:
        Memory for the whole run. While it is read, a live run's writer waits.
    """
    file = find_file(path)
    with reading(file) as connection:
        sessions = _sessions(connection)
        ends = _ends(connection, len(sessions))
        names = {i: _text(n) for i, n in connection.execute("SELECT * FROM names")}
        scalars = _scalars(connection, names, ends)
        samples = _samples(connection, "samples", ends)
        checksums = _by_leaf(_samples(connection, "checksums", ends))
        histograms = _histograms(connection, names, ends)
        events = _events(connection)
        found = [
            finding_of(event.content) for event in events if event.kind == "finding"
        ]
    findings = tuple(worst_first(found))
    recorded = bool(scalars or samples or checksums)
    return Run(
        path=file,
        verdict=_verdict(findings, recorded=recorded),
        findings=findings,
        sessions=sessions,
        scalars=MappingProxyType(scalars),
        samples=samples,
        checksums=MappingProxyType(checksums),
        histograms=MappingProxyType(histograms),
        events=events,
    )


def _verdict(findings: Sequence[Finding], *, recorded: bool) -> Verdict:
    if any(finding.severity is Severity.ERROR for finding in findings):
        return Verdict.FAIL
    return Verdict.PASS if recorded else Verdict.INCONCLUSIVE


def _sessions(connection: sqlite3.Connection) -> tuple[Session, ...]:
    query = "SELECT session, started, ended, content FROM manifest ORDER BY session"
    rows = connection.execute(query).fetchall()
    if [row[0] for row in rows] != [*range(1, len(rows) + 1)] or not rows:
        raise ValueError("its sessions are not counted from 1")
    return tuple(
        Session(float(started), None if ended is None else float(ended), _mapping(text))
        for _, started, ended, text in rows
    )


def _ends(connection: sqlite3.Connection, count: int) -> np.ndarray:
    """For each session the step at which a later one began again."""
    begins = np.full(count + 2, np.iinfo(np.int64).max)
    for table in ("scalars", "samples", "checksums"):
        query = f"SELECT session, min(step) FROM {table} GROUP BY session"
        for session, step in connection.execute(query):
            begins[session] = min(begins[session], step)
    # The smallest beginning of all later sessions.
    return np.minimum.accumulate(begins[::-1])[::-1][1:]


def _scalars(
    connection: sqlite3.Connection, names: Mapping[int, str], ends: np.ndarray
) -> dict[str, Series]:
    kinds = [("session", "i8"), ("step", "i8"), ("name", "i8"), ("value", "f8")]
    query = "SELECT session, step, name, value FROM scalars ORDER BY rowid"
    # None, which stands for NaN, becomes NaN.
    rows = np.fromiter(connection.execute(query), np.dtype(kinds))
    rows = rows[rows["step"] < ends[rows["session"]]]
    rows = rows[np.lexsort((rows["step"], rows["name"]))]
    found, begin = np.unique(rows["name"], return_index=True)
    parts = np.split(rows, begin[1:])
    series = {
        names[int(name)]: frozen_series(part["step"].copy(), part["value"].copy())
        for name, part in zip(found, parts, strict=False)
    }
    return dict(sorted(series.items()))


def _samples(
    connection: sqlite3.Connection, table: str, ends: np.ndarray
) -> tuple[Samples, ...]:
    layouts = {
        number: layout_of_content(content)
        for number, content in connection.execute("SELECT id, content FROM layouts")
    }
    query = (
        f"SELECT session, step, layout, dtype, shape, data FROM {table} "
        "ORDER BY step, rowid"
    )
    blocks: dict[tuple[int, str], list[tuple[int, np.ndarray]]] = defaultdict(list)
    for session, step, layout, *raw in connection.execute(query):
        if step < ends[session]:
            blocks[layout, raw[0]].append((step, _array(*raw)))
    return tuple(
        _block(layouts[layout], pairs) for (layout, _), pairs in blocks.items()
    )


def _block(layout: Layout, pairs: Sequence[tuple[int, np.ndarray]]) -> Samples:
    expected = [layout.shape, (len(layout.rows),)]
    if any(array.shape not in expected for _, array in pairs):
        raise ValueError("an array does not have its layout's shape")
    steps = np.array([step for step, _ in pairs], np.int64)
    return Samples(layout, *frozen_series(steps, np.stack([a for _, a in pairs])))


def _by_leaf(blocks: Sequence[Samples]) -> dict[str, Series]:
    parts: dict[str, list[Series]] = defaultdict(list)
    for layout, steps, values in blocks:
        for place, row in enumerate(layout.rows):
            parts[row.path].append(Series(steps, values[:, place]))
    return {path: joined(series) for path, series in parts.items()}


def _histograms(
    connection: sqlite3.Connection, names: Mapping[int, str], ends: np.ndarray
) -> dict[str, tuple[HistogramAt, ...]]:
    edges = {
        number: _array(*raw)
        for number, *raw in connection.execute(
            "SELECT id, dtype, shape, data FROM edges"
        )
    }
    found: dict[str, list[HistogramAt]] = defaultdict(list)
    query = (
        "SELECT session, step, name, edges, dtype, shape, data FROM histograms "
        "ORDER BY step, rowid"
    )
    for session, step, name, place, *raw in connection.execute(query):
        if step < ends[session]:
            at = HistogramAt(int(step), edges[place], _array(*raw))
            found[names[name]].append(at)
    return {name: tuple(series) for name, series in sorted(found.items())}


def _events(connection: sqlite3.Connection) -> tuple[Event, ...]:
    query = "SELECT step, time, kind, content FROM events ORDER BY rowid"
    return tuple(
        Event(int(step), float(moment), _text(kind), json.loads(content))
        for step, moment, kind, content in connection.execute(query)
    )


def _array(dtype: str, shape: str, data: bytes) -> np.ndarray:
    return from_raw(dtype, json.loads(shape), data)


def _text(name: str) -> str:
    text = json.loads(name)
    if not isinstance(text, str):
        raise ValueError("a name is no text")
    return text


def _mapping(text: str) -> Mapping[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("a manifest is no object")
    return MappingProxyType(found)
