"""How a run is laid out: what was found, what was recorded, what happened."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxdebug.checks.report_parts import cut, finding_sections
from jaxdebug.reports import Column, Document, Section, Verdict

if TYPE_CHECKING:
    from jaxdebug.training.runs.run import Run

WORDS = 300
"""Characters of an event that has no message of its own."""


def run_document(run: Run) -> Document:
    """The document of a run."""
    sections = [
        *finding_sections(run.findings),
        *_scalars(run),
        *_samples(run),
        *_events(run),
        _sessions(run),
    ]
    title = f"run {run.path}"
    return Document(title, run.verdict, _headline(run), tuple(sections))


def scalar_summary(steps: np.ndarray, values: np.ndarray) -> dict[str, Any]:
    """Numbers that say how a scalar went."""
    finite = values[np.isfinite(values)]
    bad = np.flatnonzero(~np.isfinite(values))
    return {
        "steps": len(steps),
        "first_step": int(steps[0]),
        "last_step": int(steps[-1]),
        "first": float(values[0]),
        "last": float(values[-1]),
        "smallest": float(finite.min()) if finite.size else None,
        "largest": float(finite.max()) if finite.size else None,
        "nonfinite_from": int(steps[bad[0]]) if bad.size else None,
    }


def _headline(run: Run) -> str:
    if run.verdict is Verdict.INCONCLUSIVE:
        return "nothing was recorded"
    recorded = [series.steps for series in run.scalars.values()]
    sampled = [samples.steps for samples in run.samples]
    every = [*recorded, *sampled, *(one.steps for one in run.checksums.values())]
    last = max(int(steps[-1]) for steps in every)
    count = sum(map(len, sampled))
    end = "closed" if run.finished else "not closed: it runs still, or was killed"
    number = len(run.findings)
    found = f"{number or 'no'} {'finding' if number == 1 else 'findings'}"
    found += "" if number else " recorded"
    return f"{found}; last step {last}, {count} samples; {end}"


def _scalars(run: Run) -> Iterator[Section]:
    if not run.scalars:
        return
    columns = (
        Column("scalar", "path"),
        *(Column(title, "number") for title in ("steps", "first", "last")),
        *(Column(title, "number") for title in ("smallest", "largest")),
        Column("non-finite from", "number"),
    )
    keys = ("steps", "first", "last", "smallest", "largest", "nonfinite_from")
    rows = []
    for name, series in run.scalars.items():
        summary = scalar_summary(*series)
        rows.append((name, *(summary[key] for key in keys)))
    yield Section("Scalars", table=cut(columns, rows))


def _samples(run: Run) -> Iterator[Section]:
    listing = [
        f"{len(steps)} samples from step {steps[0]} to {steps[-1]}: "
        f"{len(layout.columns)} statistics of {len(layout.rows)} arrays"
        for layout, steps, _ in run.samples
    ]
    if run.checksums:
        listing.append(f"checksums of {len(run.checksums)} leaves")
    if run.histograms:
        listing.append(f"histograms of {len(run.histograms)} arrays")
    if listing:
        yield Section("Samples", listing=tuple(listing))


def _events(run: Run) -> Iterator[Section]:
    others = [event for event in run.events if event.kind != "finding"]
    if not others:
        return
    counts = Counter(event.kind for event in others)
    counted = ", ".join(f"{kind} {count}" for kind, count in counts.items())
    columns = (Column("step", "number"), Column("event", "path"), Column("what"))
    rows = [(e.step, e.kind, _in_short(e.content)) for e in others]
    yield Section("Events", (f"{counted}.",), cut(columns, rows))


def _in_short(content: Any) -> str:
    """What an event says first; JSON has all of it."""
    if isinstance(content, Mapping):
        for key in ("message", "reason"):
            if key in content:
                return str(content[key])
    text = json.dumps(content)
    return text if len(text) <= WORDS else f"{text[:WORDS]}…"


def _sessions(run: Run) -> Section:
    columns = (
        Column("started", "status"),
        Column("seconds", "number"),
        Column("settings"),
    )
    rows = []
    for started, ended, manifest in run.sessions:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(started))
        seconds = None if ended is None else ended - started
        rows.append((moment, seconds, json.dumps(dict(manifest))))
    return Section("Sessions", ("Times are UTC.",), cut(columns, rows))
