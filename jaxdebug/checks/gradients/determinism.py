"""Verdicts where a gradient is not the same twice: nothing can be said to be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxdebug.checks.gradients.asked import Asked
from jaxdebug.checks.gradients.judged import Check, Judged, with_verdict
from jaxdebug.findings import Finding, found
from jaxdebug.frameworks.observed import trace_observed
from jaxdebug.gradients.coordinates import FLOOR
from jaxdebug.gradients.determinism import same_numbers
from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.gradients.rule_verdict import CANCELS
from jaxdebug.reports import Verdict, format_number

ROUNDING = 16.0
"""Units in the last place that sums in another order differ by."""

EXPLAINED = 10 / FLOOR
"""A relative error of a coordinate up to so many spreads is what jitter makes."""

FORGIVEN = 10.0
"""A coordinate may be off by so many times the jitter of its leaf's largest."""


def with_determinism(
    judged: Judged, asked: Asked, arguments: Sequence[Any], jitter: float = 0.0
) -> Judged:
    """The verdicts, inconclusive where what was measured is not the same twice.

    Args:
        judged: as if it were.
        asked: what it was made of.
        arguments: flat.
        jitter: by how much two runs may lawfully differ, relative to the largest
            element; what is off by little more is right.

    Cost:
        One more trace of the function if something is not right.
    """
    if jitter > 0:
        judged = _without_jitter(judged, FORGIVEN * jitter)
    outputs = len(asked.plan.outputs)
    once = [0.0] * (outputs + len(judged.leaves))
    spreads = np.asarray(asked.spread or once, np.float64)
    dtypes = [*(aval.dtype for aval in asked.plan.outputs)]
    dtypes += [leaf.dtype for leaf in judged.leaves]
    allowed = [max(ROUNDING * _eps(dtype), jitter) for dtype in dtypes]
    moves = spreads > allowed
    noisy = bool(moves[:outputs].any())
    traced = judged.verdict is not Verdict.PASS and not _same_trace(asked, arguments)
    if not (traced or moves.any()):
        return judged
    largest = float(spreads.max(initial=0.0))
    own = zip(spreads[outputs:].tolist(), moves[outputs:].tolist(), strict=True)
    by_path = dict(zip((leaf.path for leaf in judged.leaves), own, strict=True))

    def excuse(check: Check) -> Check:
        gap, moves, by_values = largest, False, False
        if isinstance(check, LeafCheck):
            gap, moves = by_path[check.path]
            by_values = check.witness == "differences" and (noisy or moves)
        failed = check.verdict is Verdict.FAIL and check.reason != "not-finite"
        doubtful = failed and (traced or by_values)
        doubtful = doubtful or (moves and check.verdict is Verdict.PASS)
        if doubtful or _is_within(check, EXPLAINED * gap):
            return with_verdict(check, Verdict.INCONCLUSIVE, "nondeterministic")
        return check

    judged = judged.excused(excuse).forgiven(np.inf if traced else FORGIVEN * largest)
    return judged._replace(whole=(*judged.whole, _finding(traced, largest)))


def _without_jitter(judged: Judged, most: float) -> Judged:
    """The verdicts, where what is wrong by no more is right."""

    def excuse(check: Check) -> Check:
        if _is_within(check, most):
            return with_verdict(check, Verdict.PASS, "within-jitter")
        return check

    return judged.excused(excuse).forgiven(most)


def _is_within(check: Check, most: float) -> bool:
    """Whether a relative gap of no more is what made the verdict."""
    failed = check.verdict is Verdict.FAIL and check.reason != "not-finite"
    # What differs from run to run does from point to point, and so looks like rounding.
    if not failed and check.reason != CANCELS:
        return False
    if not isinstance(check, LeafCheck):
        return check.error <= most
    # Other reasons are no gap of what is measured beside the point.
    gap = check.mismatch if check.witness == "differences" else check.error
    return check.reason == "disagrees" and gap <= most


def _finding(traced: bool, largest: float) -> Finding:
    if traced:
        text = (
            "each trace of the function captures other numbers: it draws random "
            "numbers on the host, or reads a clock, while it is traced"
        )
    else:
        text = (
            "two runs of the compiled gradient on the same arguments differ by "
            f"{format_number(largest)} of the largest element"
        )
    return found(
        "nondeterministic-gradient",
        "function" if traced else "gradient",
        text,
        evidence={"spread": largest, "traced": traced},
    )


def _same_trace(asked: Asked, arguments: Sequence[Any]) -> bool:
    first = asked.plan.witnesses.function.program
    again = trace_observed(asked.plan.problem.function, *arguments).program
    return same_numbers(first.jaxpr, again.jaxpr)


def _eps(dtype: Any) -> float:
    inexact = jax.dtypes.issubdtype(dtype, np.inexact)
    return float(jax.numpy.finfo(dtype).eps) if inexact else 0.0
