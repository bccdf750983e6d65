"""From what the witnesses of a gradient say to a report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jaxdebug.checks.gradient_differences import DIRECTIONS, Differences
from jaxdebug.checks.gradient_findings import findings_of
from jaxdebug.checks.gradient_plan import (
    Asked,
    GradientPlan,
    is_expected,
    value_tolerances,
)
from jaxdebug.checks.gradient_report import GradientReport
from jaxdebug.checks.gradient_search import Search, located
from jaxdebug.checks.gradient_ways import way_findings, with_ways
from jaxdebug.findings import Finding, Severity, found
from jaxdebug.gradients.certificate import CONFIDENCE, Certificate
from jaxdebug.gradients.custom_calls import CallSite
from jaxdebug.gradients.evidence import Evidence
from jaxdebug.gradients.leaf_check import (
    Leaf,
    LeafCheck,
    check_leaf,
)
from jaxdebug.gradients.rule_verdict import (
    Judged,
    RuleVerdict,
    judge_calls,
    judge_rules,
    judge_second,
    rule_name,
)
from jaxdebug.programs.coverage import unseen
from jaxdebug.reports import Verdict, format_number

MODES = 1e-7
"""Relative gap up to which forward and reverse mode agree in float64."""

PLAIN = ("agrees", "not-reached")
"""Calls of which no more is to be said; the others may differ from their function."""


def build_gradient_report(
    asked: Asked,
    name: str,
    expected: Sequence[str],
    seed: int,
    started: float,
    above: tuple[GradientPlan, dict[CallSite, Judged]] | None = None,
) -> GradientReport:
    """Judge what the witnesses say, asking for more values where they leave it open.

    Args:
        asked: the plan at its arguments.
        name: of the function.
        expected: rules that are meant to differ.
        seed: of directions.
        started: when the check began, in seconds.
        above: of second derivatives, the plan of the first, and what its calls say of
            the second.
    """
    evidence = asked.evidence
    calls = _judged_calls(asked.plan, evidence, expected)
    leaves = _known_leaves(asked.plan, calls, expected)
    if above is not None:
        behind = _behind(*above)
        leaves = [
            leaf._replace(wrong=(*found, *leaf.wrong))
            for leaf, found in zip(leaves, behind, strict=True)
        ]
        calls = {**above[1], **calls}
    look = Differences(asked, leaves)
    checks = [
        check_leaf(leaf, index, evidence, look.seen(index))
        for index, leaf in enumerate(leaves)
    ]
    search = Search(asked, DIRECTIONS)
    checks = located(checks, leaves, search)
    checks = with_ways(checks, asked.plan, evidence, expected)
    rules = judge_rules(calls)
    modes = _modes(asked.plan, evidence)
    findings = findings_of(checks, rules)
    findings += [] if modes is None else [modes]
    if above is None:  # of second derivatives, many are zero and should be
        findings += way_findings(checks)
    return GradientReport(
        name,
        Verdict.FAIL if modes else _verdict(checks, rules, evidence),
        tuple(sorted(findings, key=lambda f: [*Severity].index(f.severity))),
        tuple(checks),
        rules,
        look.certificate(),
        _unchecked(asked.plan),
        seed,
        {
            "values": look.values + search.values + len(evidence.value),
            "gradients": 2 * len(evidence.value),
            "seconds": time.perf_counter() - started,
        },
    )


def _known_leaves(
    plan: GradientPlan, calls: dict[CallSite, Judged], expected: Sequence[str]
) -> list[Leaf]:
    """What the program's flow says of each leaf."""
    graph, split = plan.graph, plan.problem.split
    leaves = []
    for index, path in zip(split.moving, split.names, strict=True):
        node = graph.inputs[index]
        after = {step.address: step for step in graph.steps_after(node)}
        primitives = {step.equation.primitive for step in after.values()}
        mine = [site for site in calls if site.address in after]
        wrong = [site for site in mine if calls[site].verdict is Verdict.FAIL]
        leaves.append(
            Leaf(
                path,
                tuple(graph.avals[node].shape),
                str(graph.avals[node].dtype),
                tuple(dict.fromkeys(map(rule_name, wrong))),
                any(is_expected(site, expected) for site in mine),
                "stop_gradient" in primitives,
                "while" in primitives,
                any(calls[site].reason not in PLAIN for site in mine),
                plan.witnesses.rounding,
            )
        )
    return leaves


def with_second_order(
    report: GradientReport,
    asked: Asked,
    leaves: Sequence[Any],
    expected: Sequence[str],
) -> GradientReport:
    """The report on first derivatives with that on second ones.

    Args:
        report: on the first.
        asked: what it was made of.
        leaves: flat arguments.
        expected: rules that are meant to differ.
    """
    started = time.perf_counter()
    plan, sites = asked.plan, asked.plan.witnesses.sites
    if report.verdict is Verdict.FAIL:
        skipped = "second derivatives: the first are wrong"
        return replace(report, unchecked=(*report.unchecked, skipped))
    meant = [is_expected(site, expected) for site in sites]
    refused = plan.witnesses.refused
    judged = judge_second(sites, asked.evidence.rules, refused, meant)
    if plan.second is not None:
        second = build_gradient_report(
            plan.second.at(leaves, report.seed),
            f"the gradient of {report.name}",
            expected,
            report.seed,
            started,
            (plan, judged),
        )
    else:
        rules = judge_rules(judged)
        second = replace(
            report,
            name=f"the gradient of {report.name}",
            verdict=Verdict.FAIL,
            findings=tuple(findings_of((), rules)),
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
    second = replace(second, unchecked=(*second.unchecked, *unseen_twice))
    findings = [
        replace(finding, message=f"second derivative: {finding.message}")
        for finding in second.findings
    ]
    verdicts = {report.verdict, second.verdict}
    order = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
    return replace(
        report,
        verdict=next(verdict for verdict in order if verdict in verdicts),
        findings=(*findings, *report.findings),
        second=second,
    )


def _behind(plan: GradientPlan, calls: dict[CallSite, Judged]) -> list[tuple[str, ...]]:
    """For each leaf the rules on its way that are wrong."""
    graph = plan.graph
    wrong = [site for site, each in calls.items() if each.verdict is Verdict.FAIL]
    found = []
    for index in plan.problem.split.moving:
        after = {step.address for step in graph.steps_after(graph.inputs[index])}
        names = (rule_name(site) for site in wrong if site.address in after)
        found.append(tuple(dict.fromkeys(names)))
    return found


def _judged_calls(
    plan: GradientPlan, evidence: Evidence, expected: Sequence[str]
) -> dict[CallSite, Judged]:
    sites = plan.witnesses.sites
    meant = [is_expected(site, expected) for site in sites]
    tolerances, rounding = value_tolerances(sites), plan.witnesses.rounding
    return judge_calls(sites, evidence.rules, tolerances, meant, rounding)


def _modes(plan: GradientPlan, evidence: Evidence) -> Finding | None:
    """Whether forward and reverse mode give one slope."""
    if evidence.forward is None or plan.problem.fixed_cotangents:
        return None  # the gradient that was handed in is no mode of JAX's
    for point in range(len(evidence.value)):
        reverse = float(evidence.slopes[point, 0].sum())
        forward = float(evidence.forward[point])
        whole = float(np.sqrt(np.nansum(evidence.size[point] ** 2)))
        if np.isfinite(reverse) and not abs(forward - reverse) <= MODES * whole:
            return found(
                "modes-disagree",
                "gradient",
                f"along one direction forward mode gives {format_number(forward)}, "
                f"reverse mode {format_number(reverse)}",
                evidence={"forward": forward, "reverse": reverse, "point": point},
            )
    return None


def _verdict(
    leaves: Sequence[LeafCheck], rules: Sequence[RuleVerdict], evidence: Evidence
) -> Verdict:
    verdicts = {check.verdict for check in (*leaves, *rules)}
    if Verdict.FAIL in verdicts or not np.isfinite(evidence.value[0]):
        return Verdict.FAIL
    if Verdict.INCONCLUSIVE in verdicts:
        return Verdict.INCONCLUSIVE
    return Verdict.PASS


def _unchecked(plan: GradientPlan) -> tuple[str, ...]:
    """What the witnesses did not see into."""
    parts = unseen(plan.graph)
    listed = [str(part) for part in parts]
    named = {part.primitive for part in parts}
    listed += [
        f"{primitive}: ran in its native precision also in the float64 check"
        for primitive in plan.witnesses.native
        if primitive not in named
    ]
    if not plan.outputs:
        listed.append("nothing: the function has no outputs")
    return tuple(listed)
