"""Verdicts on functions of eigenvectors whose phase nobody promises."""

from __future__ import annotations

from typing import Any, TypeGuard

import jax
import numpy as np

from jaxdebug.checks.gradients.asked import Asked
from jaxdebug.checks.gradients.judged import Check, Judged, with_verdict
from jaxdebug.checks.gradients.plan import own_settings
from jaxdebug.checks.gradients.programs import in_float64
from jaxdebug.gradients.evaluation import contraction
from jaxdebug.gradients.gauge import DECOMPOSITIONS, turned_function
from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.reports import Verdict

CHANGED = 1e-9
"""Relative to the value: a function that changes more when vectors are turned depends
on their phases."""


def with_gauge(judged: Judged, asked: Asked) -> Judged:
    """The verdicts, inconclusive where the function depends on free phases.

    Args:
        judged: as if phases were fixed.
        asked: what it was made of.

    Cost:
        One more compilation of the function, if a gradient behind a decomposition of
        complex matrices is called wrong by differences.
    """
    if not any(map(_failed_by_differences, judged.leaves)):
        return judged
    plan = asked.plan
    split = plan.problem.split
    behind = {
        name
        for index, name in zip(split.moving, split.names, strict=True)
        if any(
            step.equation.primitive in DECOMPOSITIONS and _is_complex(step.equation)
            for step in plan.graph.steps_after(plan.graph.inputs[index])
        )
    }

    def is_asking(check: Check) -> bool:
        return _failed_by_differences(check) and check.path in behind

    if not any(map(is_asking, judged.leaves)) or not _depends(asked):
        return judged
    return judged.excused(
        lambda check: (
            with_verdict(check, Verdict.INCONCLUSIVE, "gauge")
            if is_asking(check)
            else check
        )
    )


def _is_complex(equation: Any) -> bool:
    dtypes = [getattr(var.aval, "dtype", None) for var in equation.raw.outvars]
    return any(jax.dtypes.issubdtype(d, np.complexfloating) for d in dtypes)


def _failed_by_differences(check: Check) -> TypeGuard[LeafCheck]:
    failed = check.verdict is Verdict.FAIL and check.reason != "not-finite"
    by_values = isinstance(check, LeafCheck) and check.witness == "differences"
    return failed and by_values


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
