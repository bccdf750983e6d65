"""From what the witnesses of a gradient say to a report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jaxdebug.checks.batch_values import examine_inputs
from jaxdebug.checks.gradients.asked import Asked
from jaxdebug.checks.gradients.determinism import with_determinism
from jaxdebug.checks.gradients.eager import with_eager
from jaxdebug.checks.gradients.findings import (
    loses_digits,
    lost_digits,
    wrong_gradients,
    wrong_whole,
)
from jaxdebug.checks.gradients.gauge import with_gauge
from jaxdebug.checks.gradients.judged import Judged
from jaxdebug.checks.gradients.plan import GradientPlan
from jaxdebug.checks.gradients.report import GradientReport
from jaxdebug.checks.gradients.ways import way_findings
from jaxdebug.checks.gradients.wider import Wider, without_roundings
from jaxdebug.findings import Finding, Severity, found
from jaxdebug.findings.finding import worst_first
from jaxdebug.programs.coverage import unseen
from jaxdebug.reports import Verdict


def settled(
    judged: Judged,
    asked: Asked,
    arguments: Sequence[Any],
    wider: Wider | None = None,
    jitter: float = 0.0,
    eager: bool = False,
) -> tuple[Judged, Asked]:
    """The verdicts without what is no fault of the gradient, and what was asked.

    Args:
        judged: what the witnesses say.
        asked: the plan at its arguments.
        arguments: flat.
        wider: asks again with float64 arguments.
        jitter: by how much two runs may lawfully differ.
        eager: whether to compare the gradient with that without jit.
    """
    if wider is not None:
        judged = without_roundings(judged, wider)
    if not asked.spread and judged.verdict is not Verdict.PASS:
        asked = asked.twice(arguments)
    judged = with_determinism(with_gauge(judged, asked), asked, arguments, jitter)
    # What is not the same twice is not the same without jit either.
    if eager and not judged.whole:
        judged = with_eager(judged, asked, arguments)
    return judged, asked


def build_gradient_report(
    judged: Judged, asked: Asked, name: str, seed: int, started: float, order: int = 1
) -> GradientReport:
    """Report what the witnesses of a gradient say.

    Args:
        judged: what they say.
        asked: the plan at its arguments.
        name: of the function.
        seed: of directions.
        started: when the check began, in seconds.
        order: of the derivative.
    """
    if any(map(loses_digits, judged.leaves)):
        # Part of it may be decisions that float64 takes otherwise: no rounding.
        pairs = zip(judged.leaves, asked.rounding(), strict=True)
        leaves = [replace(leaf, precision=p, flips=f) for leaf, (p, f) in pairs]
        judged = judged._replace(leaves=tuple(leaves))
    above = _nonfinite(judged, asked)
    broken = any(finding.severity is Severity.ERROR for finding in above)
    findings = [
        *above,
        *wrong_gradients(judged.leaves, judged.rules, follows=broken),
        *judged.whole,
        *lost_digits(judged.leaves),
    ]
    if judged.contradiction is not None and not findings:
        findings.append(wrong_whole(judged.contradiction))
    if order == 1:  # of second derivatives, many are zero and should be
        findings += way_findings(judged.leaves)
    return GradientReport(
        name,
        judged.verdict,
        tuple(worst_first(findings)),
        judged.leaves,
        judged.rules,
        judged.certificate,
        (*unchecked(asked.plan), *_spared(judged, asked), *judged.unseen),
        seed,
        {
            "values": judged.values,
            "gradients": judged.gradients,
            "seconds": time.perf_counter() - started,
        },
    )


def _nonfinite(judged: Judged, asked: Asked) -> list[Finding]:
    """What goes in, or else the value, that is not finite, and so no gradient is."""
    value = float(judged.evidence.value[0])
    leaves = (leaf.reason == "not-finite" for leaf in judged.leaves)
    if np.isfinite(value) and not any(leaves):
        return []
    split = asked.plan.problem.split
    inputs = examine_inputs(
        asked.held[0], [*zip(split.moving, split.names, strict=True)], split.fixed
    )
    broken = any(finding.severity is Severity.ERROR for finding in inputs)
    if broken or np.isfinite(value):
        return inputs
    # What is known is its product with cotangents of either sign.
    loss = found("nonfinite-loss", "value", "the value of the function is not finite")
    return [loss, *inputs]


def _spared(judged: Judged, asked: Asked) -> list[str]:
    """What was left out to keep within the budget."""
    unlooked = sum(leaf.witness == "certificate" for leaf in judged.leaves)
    listed = []
    if unlooked:
        listed.append(
            f"{unlooked} of {len(judged.leaves)} leaves alone: the budget is spent on "
            "all of them together"
        )
    if not asked.spread:
        listed.append("whether two runs agree: the gradient ran once")
    return listed


def unchecked(plan: GradientPlan) -> tuple[str, ...]:
    """What the witnesses did not see into."""
    parts = unseen(plan.graph)
    listed = [str(part) for part in parts]
    named = {part.primitive for part in parts}
    listed += [
        f"{primitive}: ran in its native precision also in the float64 check"
        for primitive in plan.witnesses.native
        if primitive not in named
    ]
    listed += [
        f"expected={name!r}: no custom rule and no function called here has that name"
        for name in plan.unmatched
    ]
    if not plan.outputs:
        listed.append("nothing: the function has no outputs")
    return tuple(listed)
