"""What the audit's report shows of activation functions, softmaxes and embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from jaxdebug.programs.places import Site
from jaxdebug.reports import Column, Section, Table
from jaxdebug.reports.document import Kind

KINDS = ("activation", "softmax", "lookup")
Layer = tuple[Site, Mapping[str, Any]]


def unit_sections(layers: Iterable[Layer]) -> Iterator[Section]:
    """A table of each: activation functions, softmaxes, embeddings, if any."""
    every = [entry for entry in layers if entry[0].kind in KINDS]
    tables = [row for layer in every if (row := _lookup_row(*layer)) is not None]
    layers = [entry for entry in every if entry[0].kind != "lookup"]
    skip = len(common_root([site.path for site, _ in layers]))
    layers = [(site._replace(path=site.path[skip:]), n) for site, n in layers]
    functions = [row for layer in layers for row in _function_rows(*layer)]
    if functions:
        columns = ("layer", "function", "units", "active %", "never active", "flat %")
        yield Section(
            "Activation functions",
            (
                "Over the examples of the batch. Active: the slope lets a gradient "
                "through. Flat: it is below a tenth of the steepest; between the two "
                "an example is both. An input of exactly 0, where the function has a "
                "kink there, is neither.",
            ),
            Table(_columns(columns), tuple(functions)),
        )
    softmaxes = [row for layer in layers for row in _softmax_rows(*layer)]
    if softmaxes:
        columns = ("layer", "function", "rows", "mean largest", "above 0.99 %")
        note = "Rows with more than one entry that is not masked."
        yield Section("Softmaxes", (note,), Table(_columns(columns), tuple(softmaxes)))
    if tables:
        columns = ("table", "rows", "lookups", "rows looked up", "outside")
        yield Section("Embeddings", table=Table(_columns(columns), tuple(tables)))


def common_root(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The scope that every path begins with, if there are paths inside it."""
    first = {path[:1] for path in paths}
    return first.pop() if len(first) == 1 and len(paths) > 1 else ()


def _columns(titles: tuple[str, ...]) -> tuple[Column, ...]:
    kinds: dict[str, Kind] = {"layer": "path", "table": "path", "function": "text"}
    return tuple(Column(title, kinds.get(title, "number")) for title in titles)


def _function_rows(site: Site, numbers: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    if site.kind != "activation":
        return
    units = int(np.max(numbers["units"]))
    active = np.asarray(numbers["active"]).reshape(-1, units)
    saturated = np.asarray(numbers["saturated"]).reshape(-1, units)
    examples = np.asarray(numbers["examples"]).reshape(-1)
    for index, count in enumerate(examples):
        total = max(int(count) * units, 1)
        yield (
            _name(site, index, len(examples)),
            site.primitive,
            units,
            100 * float(active[index].sum()) / total,
            int((active[index] == 0).sum()),
            100 * float(saturated[index].sum()) / total,
        )


def _softmax_rows(site: Site, numbers: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    if site.kind != "softmax":
        return
    rows = np.atleast_1d(numbers["count"]).ravel()
    largest = np.atleast_1d(numbers["largest"]).ravel()
    saturated = np.atleast_1d(numbers["saturated"]).ravel()
    for index, count in enumerate(rows):
        yield (
            _name(site, index, len(rows)),
            site.primitive,
            int(count),
            float(largest[index]),
            100 * float(saturated[index]) / max(int(count), 1),
        )


def _lookup_row(site: Site, numbers: Mapping[str, Any]) -> tuple[Any, ...] | None:
    if site.kind != "lookup":
        return None
    counts = np.asarray(numbers["looked_up"], np.int64).reshape(-1, site.shape[0])
    outside = int(np.sum(numbers["outside"]))
    lookups = int(counts.sum()) + outside
    return site.name, site.shape[0], lookups, int(np.any(counts, 0).sum()), outside


def _name(site: Site, index: int, iterations: int) -> str:
    return f"{site.name} #{index}" if iterations > 1 else site.name
