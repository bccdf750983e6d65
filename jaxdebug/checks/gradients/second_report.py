"""The report on second derivatives, and what it makes of that on first ones."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jaxdebug.checks.gradients.answers import STANDARD, Budget
from jaxdebug.checks.gradients.asked import Asked
from jaxdebug.checks.gradients.expected import is_expected
from jaxdebug.checks.gradients.findings import wrong_gradients
from jaxdebug.checks.gradients.judged import judge_gradient
from jaxdebug.checks.gradients.known import Above
from jaxdebug.checks.gradients.report import GradientReport
from jaxdebug.checks.gradients.result import build_gradient_report
from jaxdebug.gradients.certificate import CONFIDENCE, Certificate
from jaxdebug.gradients.rule_verdict import judge_rules, judge_second, rule_name
from jaxdebug.reports import Verdict, worst


def with_second_order(
    report: GradientReport,
    asked: Asked,
    leaves: Sequence[Any],
    expected: Sequence[str],
    budget: Budget = STANDARD,
) -> GradientReport:
    """The report on first derivatives with that on second ones.

    Args:
        report: on the first.
        asked: what it was made of.
        leaves: flat arguments.
        expected: rules that are meant to differ.
        budget: what may be spent on it.
    """
    started = time.perf_counter()
    plan, sites = asked.plan, asked.plan.witnesses.sites
    if report.verdict is Verdict.FAIL:
        skipped = "second derivatives: the first are wrong"
        return replace(report, unchecked=(*report.unchecked, skipped))
    if plan.lacking:
        return replace(
            report,
            verdict=worst([report.verdict, Verdict.INCONCLUSIVE]),
            unchecked=(*report.unchecked, f"second derivatives: {plan.lacking}"),
        )
    meant = [is_expected(site, expected) for site in sites]
    refused = plan.witnesses.refused
    judged = judge_second(sites, asked.evidence.rules, refused, meant)
    if plan.second is not None:
        again = plan.second.at(leaves, report.seed, budget.points)
        second = build_gradient_report(
            judge_gradient(again, expected, Above(asked, judged), budget),
            again,
            f"the gradient of {report.name}",
            report.seed,
            started,
            order=2,
        )
    else:
        rules = judge_rules(judged)
        second = replace(
            report,
            name=f"the gradient of {report.name}",
            verdict=Verdict.FAIL,
            findings=tuple(wrong_gradients((), rules)),
            leaves=(),
            rules=rules,
            certificate=Certificate(np.inf, CONFIDENCE, 0),
            unchecked=tuple(f"second derivative: {why}" for why in refused.values()),
        )
    unseen_twice = tuple(
        f"second derivative of {rule_name(site)}: its function has none to compare with"
        for site in sites
        if site.body != "reverse"
    )
    if any(site.body != "reverse" for site in sites):
        second = _without_stopped(second)
    second = replace(second, unchecked=(*second.unchecked, *unseen_twice))
    findings = [
        replace(finding, message=f"second derivative: {finding.message}")
        for finding in second.findings
    ]
    return replace(
        report,
        verdict=worst([report.verdict, second.verdict]),
        findings=(*findings, *report.findings),
        second=second,
    )


def _without_stopped(second: GradientReport) -> GradientReport:
    """Leaves that pass only with what a stop_gradient hands on held still are open.

    Where a rule has nothing to be compared with, it may be that rule's own mistake.
    """
    leaves = tuple(
        replace(leaf, verdict=Verdict.INCONCLUSIVE, reason="not-implemented")
        if leaf.verdict is Verdict.PASS and leaf.reason == "stopped"
        else leaf
        for leaf in second.leaves
    )
    verdict = worst([second.verdict, *(leaf.verdict for leaf in leaves)])
    return replace(second, leaves=leaves, verdict=verdict)
