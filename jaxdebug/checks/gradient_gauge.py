"""Verdicts on functions of eigenvectors whose phase nobody promises."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np

from jaxdebug.checks.gradient_asked import Asked, in_float64
from jaxdebug.checks.gradient_plan import own_settings
from jaxdebug.checks.gradient_report import GradientReport
from jaxdebug.gradients.evaluation import contraction
from jaxdebug.gradients.gauge import DECOMPOSITIONS, turned_function
from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.reports import Verdict

CHANGED = 1e-9
"""Relative to the value: a function that changes more when vectors are turned depends
on their phases."""


def with_gauge(report: GradientReport, asked: Asked) -> GradientReport:
    """The report, inconclusive where the function depends on free phases.

    Args:
        report: as if phases were fixed.
        asked: what it was made of.

    Cost:
        One more compilation of the function, if a gradient behind a decomposition of
        complex matrices is called wrong by differences.
    """
    if not any(map(_failed_by_differences, report.leaves)):
        return report
    plan = asked.plan
    behind = {
        name
        for index, name in zip(
            plan.problem.split.moving, plan.problem.split.names, strict=True
        )
        if any(
            step.equation.primitive in DECOMPOSITIONS and _is_complex(step.equation)
            for step in plan.graph.steps_after(plan.graph.inputs[index])
        )
    }
    asking = [
        leaf
        for leaf in report.leaves
        if _failed_by_differences(leaf) and leaf.path in behind
    ]
    if not asking or not _depends(asked):
        return report
    checks = tuple(
        replace(leaf, verdict=Verdict.INCONCLUSIVE, reason="gauge", blocks=())
        if leaf in asking
        else leaf
        for leaf in report.leaves
    )
    paths = {leaf.path for leaf in asking}
    failed = any(c.verdict is Verdict.FAIL for c in (*checks, *report.rules))
    return replace(
        report,
        verdict=Verdict.FAIL if failed else Verdict.INCONCLUSIVE,
        findings=tuple(
            finding
            for finding in report.findings
            if not (finding.code == "wrong-gradient" and finding.where in paths)
        ),
        leaves=checks,
    )


def _is_complex(equation: Any) -> bool:
    dtypes = [getattr(var.aval, "dtype", None) for var in equation.raw.outvars]
    return any(jax.dtypes.issubdtype(d, np.complexfloating) for d in dtypes)


def _failed_by_differences(leaf: LeafCheck) -> bool:
    failed = leaf.verdict is Verdict.FAIL and leaf.reason != "not-finite"
    return failed and leaf.witness == "differences"


def _depends(asked: Asked) -> bool:
    """Whether the function changes when its vectors are turned."""
    those = asked.plan.witnesses
    leaves, cotangents = asked.given[:2]

    def run(leaves: Any, cotangents: Any) -> Any:
        turned = turned_function(those.function.program)
        with own_settings():
            return contraction(those, cotangents)(turned(leaves))

    with in_float64(asked.device):
        value = float(jax.device_get(jax.jit(run)(leaves, cotangents)))
    here = float(asked.evidence.value[0])
    return not abs(value - here) <= CHANGED * abs(here)
