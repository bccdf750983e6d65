"""Logarithms, divisions and roots at the edge of their domain, and wheres over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jaxdebug.checks.lint.edges import Edge, edge_of
from jaxdebug.checks.lint.guards import guards_of, is_trap
from jaxdebug.checks.lint.linted import Linted
from jaxdebug.checks.lint.place import Spot, findings_of
from jaxdebug.checks.outcome import Outcome, judged, not_run
from jaxdebug.findings import Severity
from jaxdebug.programs._jax.source import in_special_function
from jaxdebug.programs.graph import Step
from jaxdebug.programs.ranges.identity import alike
from jaxdebug.programs.ranges.range import Hit, Range
from jaxdebug.reports import format_number

_CODES = {
    "log": "unguarded-log",
    "division": "unguarded-division",
    "root": "unguarded-root",
    "where": "where-nan-branch",
}
_KINDS = ("log", "division", "root")
_WORDS = {
    "div": "division by",
    "integer_pow": "a negative power of",
    "pow": "a power of",
    "rsqrt": "1 / sqrt of",
}


class Hazard(NamedTuple):
    """An operation of which an edge is not ruled out."""

    step: Step
    edge: Edge
    operand: Range
    point: float | None
    """The edge that is reached; None if it is only not ruled out."""
    hit: Hit | None
    traps: tuple[Step, ...]
    """Wheres that leave out the value and not the derivative."""
    safe: bool
    """Whether wheres keep every bad value from going on."""
    differentiated: bool


class Hazards(NamedTuple):
    """What was looked at, and what is left of it."""

    looked_at: dict[str, int]
    proved: dict[str, int]
    left: tuple[Hazard, ...]


def hazards_of(linted: Linted) -> Hazards:
    """Every operation that has an edge, and those whose operand may come to it."""
    looked_at: dict[str, int] = dict.fromkeys(_KINDS, 0)
    proved = dict(looked_at)
    left = []
    for step in linted.steps:
        edge = edge_of(linted.graph, step)
        if edge is None or _is_special(step):
            continue
        looked_at[edge.kind] += 1
        hazard = _hazard(linted, step, edge)
        if hazard is None:
            proved[edge.kind] += 1
        else:
            left.append(hazard)
    return Hazards(looked_at, proved, tuple(left))


def _is_special(step: Step) -> bool:
    around = (*step.equation.enclosing, step.equation)
    return any(in_special_function(each.raw) for each in around)


def _hazard(linted: Linted, step: Step, edge: Edge) -> Hazard | None:
    x = linted.ranges.operand(step, edge.operand)
    points = [point for point in edge.points if x.has(point)]
    beyond = edge.below and x.low < min(edge.points)
    if not points and not beyond:
        return None
    hits = [(point, hit) for point in points if (hit := x.hit(point)) is not None]
    point, hit = min(hits, key=lambda of: not of[1].sure, default=(None, None))
    traps = ()
    differentiated = linted.is_differentiated(step, edge.operand)
    guards = guards_of(linted, step, edge, differentiated)
    # A quotient's derivative by its numerator is 1 / 0 as well.
    every = range(len(step.operands))
    if any(linted.is_differentiated(step, operand) for operand in every):
        traps = tuple(w for w in guards.guarding if is_trap(linted, step, edge, w))
    return Hazard(step, edge, x, point, hit, traps, guards.every, differentiated)


def lint_edges(linted: Linted, hazards: Hazards, kind: str) -> Outcome:
    """The outcome of one of the lints `log`, `division` and `root`."""
    if kind == "root" and not linted.varying:
        return not_run(
            kind, "a root is finite at 0, its derivative not: give `argnums`"
        )
    spots = [
        spot
        for hazard in hazards.left
        if hazard.edge.kind == kind and not hazard.traps
        for spot in _spots(linted, hazard)
    ]
    findings = findings_of(linted, _first_of_line(linted, spots, hazards, kind))
    total, proved = hazards.looked_at[kind], hazards.proved[kind]
    said = f"{total} looked at, {proved} proved safe" if total else "none in it"
    return judged(kind, said, findings, {"looked_at": total, "proved": proved})


def _spots(linted: Linted, hazard: Hazard) -> Iterator[Spot]:
    step, edge = hazard.step, hazard.edge
    if hazard.hit is None:
        if _is_argument(linted, hazard):
            yield Spot(
                _CODES[edge.kind],
                step,
                f"{step.equation.primitive} of an argument, of which nothing is known: "
                f"{_bad_points(edge)} is not ruled out",
                Severity.INFO,
            )
        return
    if hazard.safe or (not edge.forward and not hazard.differentiated):
        return
    assert hazard.point is not None
    point = format_number(hazard.point)
    word = _WORDS.get(step.equation.primitive, f"{step.equation.primitive} of")
    message = f"{word} values that come to exactly {point}: {hazard.hit.value}"
    if not edge.forward:
        message += f". The derivative at {point} is infinite, and the gradient NaN"
    severity = None if hazard.hit.sure else Severity.INFO
    yield Spot(
        _CODES[edge.kind],
        step,
        message,
        severity,
        evidence={
            "low": hazard.operand.low,
            "high": hazard.operand.high,
            "reached": hazard.point,
        },
    )


def _is_argument(linted: Linted, hazard: Hazard) -> bool:
    """Whether it is an argument of the function as it was given, of a log or root."""
    node = hazard.step.operands[hazard.edge.operand]
    given = node is not None and alike(linted.graph, node) in linted.graph.inputs
    wanted = hazard.edge.kind == "log" or (
        hazard.edge.kind == "root" and hazard.differentiated
    )
    return given and wanted and not hazard.safe


def _bad_points(edge: Edge) -> str:
    return " or ".join(map(format_number, edge.points))


def _first_of_line(
    linted: Linted, spots: Sequence[Spot], hazards: Hazards, kind: str
) -> list[Spot]:
    """Without divisions that are the derivative of a root in the same line."""
    if kind != "division" or not linted.own:
        return list(spots)
    roots = {
        linted.line(hazard.step)
        for hazard in hazards.left
        if hazard.edge.kind == "root" and hazard.hit is not None
    }
    return [
        spot
        for spot in spots
        if not (spot.step.differentiated and linted.line(spot.step) in roots)
    ]


def lint_where(linted: Linted, hazards: Hazards) -> Outcome:
    """Wheres that leave out a bad value whose derivative is NaN all the same."""
    if not linted.varying:
        return not_run("where", "it concerns the gradient: give `argnums`")
    spots = []
    for hazard in hazards.left:
        for where in hazard.traps[:1]:
            at = linted.line(where)
            line = f" at {at}" if at and at != linted.line(hazard.step) else ""
            spots.append(
                Spot(
                    _CODES["where"],
                    hazard.step,
                    f"a where{line} leaves out {hazard.step.equation.primitive} at "
                    f"{_bad_points(hazard.edge)}, and not its derivative: the "
                    "gradient there is 0 * inf, NaN",
                )
            )
    count = len(spots)
    said = f"{count} over an unsafe operation" if count else "none over an unsafe one"
    return judged("where", said, findings_of(linted, spots), {"traps": count})
