"""From what was measured of a program's rounding to a report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jaxdebug.checks.precision.causes import Cause, causes_of, layer_name
from jaxdebug.checks.precision.findings import precision_findings
from jaxdebug.checks.precision.plan import Lost, PrecisionMeasured, PrecisionPlan
from jaxdebug.checks.precision.report import (
    Flip,
    LayerPrecision,
    PrecisionReport,
    ResultPrecision,
)
from jaxdebug.checks.precision.trail import Blame
from jaxdebug.findings import Severity
from jaxdebug.findings.silence import silenced
from jaxdebug.gradients.leaf_check import NEGLIGIBLE
from jaxdebug.programs.coverage import unseen
from jaxdebug.programs.places import Place, Site, is_inexact
from jaxdebug.reports import Verdict

LOST = 0.1
"""Relative error above which no more than one digit is left."""

WIDEST = 1e-15
"""Unit of rounding of float64, for which there is nothing wider."""


def build_precision_report(
    plan: PrecisionPlan,
    measured: PrecisionMeasured,
    name: str,
    seed: int,
    started: float,
    silence: Sequence[str] = (),
) -> PrecisionReport:
    """Judge what was measured.

    Args:
        plan: the traced program.
        measured: on the host.
        name: of the function.
        seed: of the cotangents.
        started: when the check began, in seconds.
        silence: patterns of findings that do not count.
    """
    blame = Blame(plan.graph, measured.places)
    results, causes = _results(plan, measured, blame)
    findings, quiet = silenced(precision_findings(name, results, causes), silence)
    verdict = Verdict.PASS
    if any(finding.severity is Severity.ERROR for finding in findings):
        verdict = Verdict.FAIL
    elif all(result.explained < WIDEST for result in results):
        verdict = Verdict.INCONCLUSIVE
    return PrecisionReport(
        name,
        verdict,
        findings,
        results,
        causes,
        _layers(plan, measured, blame),
        _flips(plan, measured),
        _unchecked(plan, verdict),
        seed,
        {
            "equations": len(measured.places),
            "seconds": time.perf_counter() - started,
        },
        quiet,
    )


def _results(
    plan: PrecisionPlan, measured: PrecisionMeasured, blame: Blame
) -> tuple[tuple[ResultPrecision, ...], tuple[Cause, ...]]:
    graph, split = plan.graph, plan.problem.split
    whole = float(np.sqrt(np.nansum(np.square(measured.sizes))))
    known: dict[Place, Cause] = {}
    made: list[tuple[ResultPrecision, list[Place]]] = []
    for index, (var, node) in enumerate(
        zip(plan.shadow.program.jaxpr.jaxpr.outvars, graph.outputs, strict=True)
    ):
        lost = measured.results.get(index)
        if lost is None or not is_inexact(var.aval):
            continue
        leaf = index - plan.outputs
        explained = blame.explained(node)
        size = None if leaf < 0 else measured.sizes[leaf]
        reason = _reason(lost, explained, size, whole)
        causes = causes_of(blame, node) if reason in _JUDGED else {}
        for place, cause in causes.items():
            if place not in known or known[place].digits < cause.digits:
                known[place] = cause
        result = ResultPrecision(
            plan.output_names[index] if leaf < 0 else split.names[leaf],
            "output" if leaf < 0 else "gradient",
            tuple(getattr(var.aval, "shape", ())),
            str(getattr(var.aval, "dtype", "")),
            lost.error,
            lost.worst,
            explained,
            measured.flip_errors.get(index, 0.0),
            reason,
            (),
        )
        made.append((result, [*causes]))
    ordered = sorted(known, key=lambda place: -known[place].digits)
    results = tuple(
        replace(result, causes=tuple(map(ordered.index, places)))
        for result, places in made
    )
    return results, tuple(known[place] for place in ordered)


_JUDGED = ("half-lost", "lost", "overflow")


def _reason(lost: Lost, explained: float, size: float | None, whole: float) -> str:
    if lost.numbers["elements"] == 0:
        return "empty"
    if lost.numbers["broken"]:
        return "overflow"
    if lost.numbers["wide_broken"]:
        return "not-finite"
    if size is not None and not size > NEGLIGIBLE * whole:
        return "negligible"
    if lost.error > LOST:
        return "lost"
    return "half-lost" if lost.error > explained**0.5 else "fine"


def _layers(
    plan: PrecisionPlan, measured: PrecisionMeasured, blame: Blame
) -> tuple[LayerPrecision, ...]:
    found = []
    for site, place in plan.sites.items():
        lost = measured.places.get(place)
        if lost is None:
            continue
        step = plan.graph.step_at(place.address)
        node = place.of(step.operands, step.results)
        found.append(
            LayerPrecision(
                site.name,
                site.kind,
                site.shape,
                site.dtype,
                lost.error,
                _inherited(site, node, blame),
                lost.worst,
                lost.iteration,
                "" if site.line is None else str(site.line),
            )
        )
    return tuple(found)


def _inherited(site: Site, node: int | None, blame: Blame) -> float:
    """Error of what came into the layer, or into the one that made a cotangent."""
    inside = "/".join(site.path) if site.kind == "output" else None
    for passed in blame.back(node):
        path = "/".join(passed.step.path)
        if inside is None:
            inside = path
        if not f"{path}/".startswith(f"{inside}/"):
            return passed.lost.error
    return 0.0


def _flips(plan: PrecisionPlan, measured: PrecisionMeasured) -> tuple[Flip, ...]:
    counts: dict[tuple[str, str, str], int] = {}
    for address, count in measured.flips.items():
        if count:
            step = plan.graph.step_at(address)
            line = step.equation.line
            key = (
                layer_name(step.path),
                "" if line is None else str(line),
                step.equation.primitive,
            )
            counts[key] = counts.get(key, 0) + count
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return tuple(Flip(*key, count) for key, count in ordered)


def _unchecked(plan: PrecisionPlan, verdict: Verdict) -> tuple[str, ...]:
    parts = unseen(plan.graph)
    names = {part.primitive for part in parts}
    listed = [str(part) for part in parts]
    listed += [
        f"{primitive}: ran in its native precision in float64 too"
        for primitive in plan.measured.ran_native
        if primitive not in names
    ]
    if verdict is Verdict.INCONCLUSIVE:
        listed.append(
            "everything is computed in float64: nothing wider to compare with"
        )
    return tuple(listed)
