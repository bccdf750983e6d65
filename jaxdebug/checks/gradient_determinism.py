"""Verdicts where a gradient is not the same twice: nothing can be said to be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from jaxdebug.checks.gradient_asked import Asked
from jaxdebug.checks.gradient_findings import wrong_gradients
from jaxdebug.checks.gradient_report import GradientReport
from jaxdebug.findings import found
from jaxdebug.findings.finding import worst_first
from jaxdebug.frameworks.observed import trace_observed
from jaxdebug.gradients.coordinates import FLOOR
from jaxdebug.gradients.determinism import same_numbers
from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.gradients.rule_verdict import RuleVerdict
from jaxdebug.reports import Verdict, format_number

ROUNDING = 16.0
"""Units in the last place that sums in another order differ by."""

EXPLAINED = 10 / FLOOR
"""A relative error of a coordinate up to so many spreads is what jitter makes."""

REPLACED = frozenset(
    {"wrong-rule", "wrong-gradient", "lost-gradient", "modes-disagree"}
)
"""Findings that are made anew from the verdicts that remain."""


FORGIVEN = 10.0
"""A coordinate may be off by so many times the jitter of its leaf's largest."""


def with_determinism(
    report: GradientReport, asked: Asked, leaves: Sequence[Any], jitter: float
) -> GradientReport:
    """The report, inconclusive where what was measured is not the same twice.

    Args:
        report: as if it were.
        asked: what it was made of.
        leaves: flat arguments.
        jitter: by how much two runs may lawfully differ, relative to the largest
            element; what is off by no more is right.

    Cost:
        One more trace of the function if something is not right.
    """
    outputs = len(asked.plan.outputs)
    once = [0.0] * (outputs + len(report.leaves))
    spreads = np.asarray(asked.spread or once, np.float64)
    eps = [_eps(leaf.dtype) for leaf in report.leaves]
    gaps = spreads[outputs:]
    if jitter > 0:
        report = _forgiven(report, jitter)
    moving = [gap > max(ROUNDING * e, jitter) for gap, e in zip(gaps, eps, strict=True)]
    values = [_eps(aval.dtype) for aval in asked.plan.outputs]
    noisy = any(
        gap > max(ROUNDING * e, jitter)
        for gap, e in zip(spreads[:outputs], values, strict=True)
    )
    traced = report.verdict is not Verdict.PASS and not _same_trace(asked, leaves)
    if not (traced or noisy or any(moving)):
        return report
    largest = float(spreads.max(initial=0.0))
    checks = tuple(
        _leaf(leaf, float(gap), moves, noisy, traced)
        for leaf, gap, moves in zip(report.leaves, gaps, moving, strict=True)
    )
    rules = tuple(_rule(rule, largest, traced) for rule in report.rules)
    wrong = {str(rule) for rule in rules if rule.verdict is Verdict.FAIL}
    checks = tuple(
        replace(check, causes=tuple(name for name in check.causes if name in wrong))
        for check in checks
    )
    report = _rejudged(report, checks, rules)
    failed = report.verdict is Verdict.FAIL
    return replace(
        report,
        verdict=Verdict.FAIL if failed else Verdict.INCONCLUSIVE,
        findings=tuple(worst_first([*report.findings, _finding(traced, largest)])),
    )


def _rejudged(
    report: GradientReport,
    leaves: tuple[LeafCheck, ...],
    rules: tuple[RuleVerdict, ...],
) -> GradientReport:
    """The report with other verdicts, and the findings that follow from them."""
    verdicts = {check.verdict for check in (*leaves, *rules)}
    kept = [f for f in report.findings if f.code not in REPLACED]
    made = [f for f in wrong_gradients(leaves, rules) if f.code in REPLACED]
    order = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
    return replace(
        report,
        verdict=min(verdicts, key=order.index, default=Verdict.PASS),
        findings=(*made, *kept),
        leaves=leaves,
        rules=rules,
    )


def _forgiven(report: GradientReport, jitter: float) -> GradientReport:
    """What is wrong by no more than the jitter that was declared is right."""

    def right(each: Any) -> Any:
        failed = each.verdict is Verdict.FAIL and each.reason != "not-finite"
        if not failed or each.error > FORGIVEN * jitter:
            return each
        return replace(each, verdict=Verdict.PASS, reason="within-jitter")

    rules = tuple(map(right, report.rules))
    leaves = tuple(
        replace(leaf, causes=(), blocks=()) if leaf.verdict is Verdict.PASS else leaf
        for leaf in map(right, report.leaves)
    )
    return _rejudged(report, leaves, rules)


def _finding(traced: bool, largest: float) -> Any:
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


def _leaf(
    leaf: LeafCheck, gap: float, jitter: bool, noisy: bool, traced: bool
) -> LeafCheck:
    """Undecided if jitter may be what makes it wrong, or is not measured apart."""
    failed = leaf.verdict is Verdict.FAIL and leaf.reason != "not-finite"
    by_values = leaf.witness == "differences" and (noisy or jitter)
    explained = leaf.error <= EXPLAINED * gap
    if (failed and (traced or by_values or explained)) or (
        jitter and leaf.verdict is Verdict.PASS
    ):
        return replace(
            leaf, verdict=Verdict.INCONCLUSIVE, reason="nondeterministic", causes=()
        )
    return leaf


def _rule(rule: RuleVerdict, largest: float, traced: bool) -> RuleVerdict:
    failed = rule.verdict is Verdict.FAIL and rule.reason != "not-finite"
    if failed and (traced or rule.error <= EXPLAINED * largest):
        return replace(rule, verdict=Verdict.INCONCLUSIVE, reason="nondeterministic")
    return rule


def _same_trace(asked: Asked, leaves: Sequence[Any]) -> bool:
    first = asked.plan.witnesses.function.program
    again = trace_observed(asked.plan.problem.function, *leaves).program
    return same_numbers(first.jaxpr, again.jaxpr)


def _eps(dtype: Any) -> float:
    inexact = jax.dtypes.issubdtype(dtype, np.inexact)
    return float(jax.numpy.finfo(dtype).eps) if inexact else 0.0
