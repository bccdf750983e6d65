"""Layers and parameters of an audit in the order in which the program runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jaxdebug.figures.rows import MOST_ROWS, chosen_parameters, spaced, without_root
from jaxdebug.findings.rules.reading import largest, scanned_layers, size_of, whole
from jaxdebug.programs.places import Site

if TYPE_CHECKING:
    from jaxdebug.checks.audits.report import AuditReport, LeafAudit

Numbers = Mapping[str, Any]


class Row(NamedTuple):
    """One row of a figure.

    Attributes:
        name: of the layer or parameter.
        size: of its gradient, NaN where there is none.
        state: `""`, `"zero"`, `"unsized"` (nothing to be relative to) or `"broken"`
            (some of it is not finite; the size is that of the rest).
    """

    name: str
    size: float
    state: str = ""


class Depth(NamedTuple):
    """Rows, and what was left out of them in words."""

    rows: list[Row]
    chosen: str = ""


class _Layer(NamedTuple):
    path: tuple[str, ...]
    ending: str
    """Of the name: which call, which iteration."""
    numbers: Numbers


def layer_rows(report: AuditReport) -> Depth:
    """Norms of the cotangents of the layers."""
    found = _without_repeats([*_layers(report)])
    kept, chosen = found, ""
    if len(found) > MOST_ROWS:
        depth = _depth_that_fits([layer.path for layer in found])
        outermost = [layer for layer in found if len(layer.path) <= depth]
        kept = spaced(outermost)
        apart = " evenly apart" if len(kept) < len(outermost) else ""
        chosen = f"\n({len(kept)} of {len(found)} layers: the outermost{apart})"
    names = without_root([layer.path or ("(top)",) for layer in kept])
    rows = [
        Row(f"{name}{layer.ending}", *_norm(layer.numbers))
        for name, layer in zip(names, kept, strict=True)
    ]
    return Depth(rows, chosen)


def parameter_rows(report: AuditReport) -> Depth:
    """Norms of the parameters' gradients, relative to the parameters."""
    leaves = parameters_in_order(report)
    kept, chosen = chosen_parameters(leaves, lambda leaf: len(leaf.shape))
    names = without_root([_path(leaf) for leaf in kept])
    pairs = zip(names, kept, strict=True)
    rows = [_parameter_row(name, leaf) for name, leaf in pairs]
    return Depth(rows, f"\n{chosen}" if chosen else "")


def parameters_in_order(report: AuditReport) -> list[LeafAudit]:
    """The parameters of an audit, those of the layers that run first in front."""
    order = _order(report)
    return sorted(report.leaves, key=lambda leaf: order(_path(leaf)))


def _parameter_row(name: str, leaf: LeafAudit) -> Row:
    size, state = _norm(leaf.derivative)
    unit, about_unit = _norm(leaf.parameter)
    if "broken" in (state, about_unit):
        state = "broken"
    elif not state and about_unit == "zero":
        return Row(name, np.nan, "unsized")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return Row(name, float(np.float64(size) / unit), state)


def _norm(numbers: Numbers) -> tuple[float, str]:
    """The norm of the finite elements, and what else is to be said of them."""
    finite = whole(numbers, "count") - whole(numbers, "nonfinite")
    norm = size_of(numbers) * float(np.sqrt(max(finite, 0)))
    if whole(numbers, "nonfinite"):
        return norm, "broken"
    return norm, "zero" if largest(numbers) == 0 else ""


def _layers(report: AuditReport) -> Iterator[_Layer]:
    """Cotangents in the order of the outputs; layers of a scan one by one."""
    outputs = [layer.site for layer in report.layers if layer.site.kind == "output"]
    order = {(site.path, site.index): place for place, site in enumerate(outputs)}
    cotangents = [
        (layer.site, layer.numbers)
        for layer in report.layers
        if layer.site.kind == "cotangent"
    ]
    # Those without an output of their own stand where they are met on the way back.
    cotangents = sorted(
        reversed(cotangents),
        key=lambda one: order.get((one[0].path, one[0].index), len(order)),
    )
    leaves = [
        (Site(_path(one), "parameter", 0, one.shape, one.dtype, "", None), {})
        for one in report.leaves
    ]
    scanned = scanned_layers([*cotangents, *leaves])

    def iterations(one: tuple[Site, Numbers]) -> int:
        site, numbers = one
        return np.shape(numbers["rms"])[0] if site.path in scanned else 0

    for count, together in groupby(cotangents, iterations):
        inside = [*together]
        for index in range(count) or (None,):
            for site, numbers in inside:
                call = f"[{site.index}]" if site.index else ""
                ending = "" if index is None else f" #{index}"
                yield _Layer(site.path, f"{call}{ending}", _at(numbers, index))


def _at(numbers: Numbers, index: int | None) -> Numbers:
    if index is None:
        return numbers
    return {name: np.asarray(value)[index] for name, value in numbers.items()}


def _without_repeats(layers: Sequence[_Layer]) -> list[_Layer]:
    """Without modules whose output is that of the last module in them."""
    kept: list[_Layer] = []
    for layer in layers:
        norm = _norm(layer.numbers)
        same = any(
            before.path[: len(layer.path)] == layer.path
            and before.path != layer.path
            and _norm(before.numbers) == norm
            for before in kept[-1:]
        )
        if not same:
            kept.append(layer)
    return kept


def _depth_that_fits(paths: Sequence[Sequence[str]]) -> int:
    """The greatest length of paths of which there are not too many."""
    lengths = sorted({len(path) for path in paths})
    fitting = [
        length
        for length in lengths
        if sum(len(path) <= length for path in paths) <= MOST_ROWS
    ]
    # A single root tells nothing: better rows evenly apart one level below.
    useful = [n for n in fitting if sum(len(path) <= n for path in paths) > 3]
    return (
        useful[-1]
        if useful
        else next(
            (n for n in lengths if sum(len(path) <= n for path in paths) > 3),
            lengths[-1],
        )
    )


def _path(leaf: LeafAudit) -> tuple[str, ...]:
    return tuple(leaf.path.split("/"))


def _order(report: AuditReport) -> Callable[[tuple[str, ...]], int]:
    """A key that sorts parameters by the layer that they belong to."""
    # Linen's layers are named from a root that its parameters' paths leave out.
    first: dict[tuple[str, ...], tuple[int, int]] = {}
    for place, layer in enumerate(report.layers):
        path = layer.site.path
        if layer.site.kind == "output":
            for start in range(len(path)):
                known = first.get(path[start:], (start, place))
                first[path[start:]] = min(known, (start, place))

    def key(path: tuple[str, ...]) -> int:
        heads = (path[:end] for end in range(len(path), 0, -1))
        found = next((first[head] for head in heads if head in first), None)
        return len(report.layers) if found is None else found[1]

    return key
