"""The findings that an audit's statistics support, beside those on gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jaxdebug.checks.audits.plan import Plan
from jaxdebug.findings import Finding
from jaxdebug.findings.rules import Constant, constant_findings, rules
from jaxdebug.programs.captured import captured_arrays
from jaxdebug.programs.places import Site

Measured = tuple[Site, Mapping[str, Any]]

EXPLAINED = {
    "nonfinite-layer": {"nonfinite-loss", "nonfinite-parameter", "nonfinite-data"},
    "nonfinite-gradient": {"nonfinite-loss", "nonfinite-parameter", "nonfinite-data"},
    "nonfinite-parameter": {"nonfinite-parameter"},
}
"""Findings that say nothing new next to others, wherever those are."""

EXPLAINED_HERE = {
    "zero-gradient": {"lost-gradient", "no-effect", "flat-gradient", "wrong-rule"},
    "severed-parameter": {"lost-gradient", "wrong-rule"},
}
"""Findings that say nothing new next to others at the same place."""


def layer_findings(
    plan: Plan,
    layers: Sequence[Measured],
    leaves: Sequence[Measured],
    known: Sequence[Finding],
    behind: Sequence[str] = (),
) -> list[Finding]:
    """What the rules say of layers and parameters, and of captured arrays.

    Args:
        plan: the traced programs.
        layers: sites of the gradient program.
        leaves: sites of the parameters: values, gradients, updates.
        known: findings on the gradients, the loss and the data, which go before.
        behind: parameters whose gradient a wrong rule explains, or that are meant to
            have none.
    """
    codes = {finding.code for finding in known}
    places = {(finding.code, finding.where) for finding in known}
    places |= {("wrong-rule", path) for path in behind}

    def is_new(finding: Finding) -> bool:
        if EXPLAINED.get(finding.code, set()) & codes:
            return False
        same = EXPLAINED_HERE.get(finding.code, {finding.code})
        here, inside = finding.where, f"{finding.where}/"
        return not any(
            code in same and (where == here or where.startswith(inside))
            for code, where in places
        )

    captured = captured_arrays(plan.layers.program.jaxpr)
    constants = constant_findings([Constant(*array) for array in captured])
    return [
        finding
        for finding in (*rules([*layers, *leaves]), *constants)
        if is_new(finding)
    ]


def leaf_measurements(
    paths: Sequence[tuple[str, ...]],
    arrays: Sequence[Any],
    numbers: Mapping[str, Sequence[Mapping[str, Any]] | None],
) -> Iterator[Measured]:
    """Sites of the parameters with their numbers, kind by kind."""
    for kind, summaries in numbers.items():
        if summaries is not None:
            for path, array, summary in zip(paths, arrays, summaries, strict=True):
                shape, dtype = tuple(array.shape), str(array.dtype)
                yield Site(path, kind, 0, shape, dtype, "", None), summary
