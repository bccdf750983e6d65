"""From what the witnesses of a gradient say to a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from jaxdebug.checks.gradient_answers import STANDARD, Budget, looked_at
from jaxdebug.checks.gradient_asked import Asked
from jaxdebug.checks.gradient_differences import CERTAIN, Contradiction, Looked
from jaxdebug.checks.gradient_findings import (
    loses_digits,
    lost_digits,
    wrong_gradients,
    wrong_whole,
)
from jaxdebug.checks.gradient_known import Above, Known, known_of
from jaxdebug.checks.gradient_plan import GradientPlan
from jaxdebug.checks.gradient_report import GradientReport
from jaxdebug.checks.gradient_search import Search, located
from jaxdebug.checks.gradient_ways import way_findings, with_ways
from jaxdebug.checks.gradient_wider import without_roundings
from jaxdebug.findings import Finding, found
from jaxdebug.findings.finding import worst_first
from jaxdebug.gradients.certificate import Certificate
from jaxdebug.gradients.evidence import Evidence
from jaxdebug.gradients.leaf_check import (
    LeafCheck,
    check_leaf,
)
from jaxdebug.gradients.rule_verdict import (
    RuleVerdict,
    judge_rules,
)
from jaxdebug.programs.coverage import unseen
from jaxdebug.reports import Verdict, format_number, worst

MODES = 1e-7
"""Relative gap up to which forward and reverse mode agree in float64."""


class Judged(NamedTuple):
    """What the witnesses of a gradient say, judged."""

    leaves: tuple[LeafCheck, ...]
    rules: tuple[RuleVerdict, ...]
    modes: tuple[Finding, ...]
    """That forward and reverse mode differ, if they do."""
    contradiction: Contradiction | None
    """That the whole gradient is wrong, if it is and leaves were not looked at."""
    certificate: Certificate
    evidence: Evidence
    values: int
    gradients: int
    """Evaluations in float64."""


Shown = tuple[Known, Looked, int]
"""What is known, what values say, and how many they were."""


def judge_gradient(
    asked: Asked,
    expected: Sequence[str],
    above: Above | None = None,
    budget: Budget = STANDARD,
    shown: Shown | None = None,
) -> Judged:
    """Judge what the witnesses say, asking for more values where they leave it open.

    Args:
        asked: the plan at its arguments.
        expected: rules that are meant to differ.
        above: what the first derivative says, if it is the second that is asked about.
        budget: what may be spent.
        shown: what values say, if they were asked for already.
    """
    if shown is None:
        known = known_of(asked, expected, above)
        # A gradient brings a value with it.
        left = budget._replace(most=budget.most - asked.points)
        asked, seen, values = looked_at(asked, known.leaves, left)
    else:
        known, seen, values = shown
    calls, leaves = known
    evidence = asked.evidence
    certified = seen.certificate.error <= CERTAIN
    checks = [
        check_leaf(leaf, index, evidence, seen.seen.get(index, ()), certified)
        for index, leaf in enumerate(leaves)
    ]
    search = Search(asked, budget.most - values - asked.points)
    checks = located(checks, leaves, search)
    checks = with_ways(checks, asked.plan, evidence, expected)
    return Judged(
        tuple(checks),
        judge_rules(calls),
        _modes(evidence),
        seen.contradiction,
        seen.certificate,
        evidence,
        values + search.values + asked.points,
        asked.gradients,
    )


class Wider(NamedTuple):
    """How to ask again, with float64 arguments in the place of narrower ones."""

    args: Any
    ask: Callable[[Any], Asked]
    expected: Sequence[str]


def judged_wider(judged: Judged, wider: Wider) -> Judged:
    """The same, without gaps that only the function's own dtype makes."""

    def again(args: Any) -> list[Any]:
        found = judge_gradient(wider.ask(args), wider.expected)
        return [*found.rules, *found.leaves]

    checks = without_roundings([*judged.rules, *judged.leaves], wider.args, again)
    count = len(judged.rules)
    return judged._replace(rules=tuple(checks[:count]), leaves=tuple(checks[count:]))


def build_gradient_report(
    asked: Asked,
    name: str,
    expected: Sequence[str],
    seed: int,
    started: float,
    above: Above | None = None,
    budget: Budget = STANDARD,
    shown: Shown | None = None,
    wider: Wider | None = None,
) -> GradientReport:
    """Judge a gradient and report it.

    Args:
        asked: the plan at its arguments.
        name: of the function.
        expected: rules that are meant to differ.
        seed: of directions.
        started: when the check began, in seconds.
        above: what the first derivative says, if it is the second that is asked about.
        budget: what may be spent.
        shown: what values say, if they were asked for already.
        wider: asks again with float64 arguments.
    """
    judged = judge_gradient(asked, expected, above, budget, shown)
    if wider is not None:
        judged = judged_wider(judged, wider)
    if any(map(loses_digits, judged.leaves)):
        # Part of it may be decisions that float64 takes otherwise: no rounding.
        pairs = zip(judged.leaves, asked.rounding(), strict=True)
        leaves = [replace(leaf, precision=p, flips=f) for leaf, (p, f) in pairs]
        judged = judged._replace(leaves=tuple(leaves))
    findings = [
        *wrong_gradients(judged.leaves, judged.rules),
        *judged.modes,
        *lost_digits(judged.leaves),
    ]
    if judged.contradiction is not None and not findings:
        findings.append(wrong_whole(judged.contradiction))
    if above is None:  # of second derivatives, many are zero and should be
        findings += way_findings(judged.leaves)
    return GradientReport(
        name,
        _verdict(judged),
        tuple(worst_first(findings)),
        judged.leaves,
        judged.rules,
        judged.certificate,
        (*unchecked(asked.plan), *_spared(judged, asked)),
        seed,
        {
            "values": judged.values,
            "gradients": judged.gradients,
            "seconds": time.perf_counter() - started,
        },
    )


def _modes(evidence: Evidence) -> tuple[Finding, ...]:
    """Whether forward and reverse mode give one slope."""
    if evidence.forward is None:
        return ()
    for point, (forward, reverse) in enumerate(evidence.forward.tolist()):
        gap, whole = abs(forward - reverse), evidence.norm(point)
        if np.isfinite(reverse) and not gap <= MODES * whole:
            differ = found(
                "modes-disagree",
                "gradient",
                f"along one direction forward mode gives {format_number(forward)}, "
                f"reverse mode {format_number(reverse)}",
                evidence={"forward": forward, "reverse": reverse, "point": point},
            )
            return (differ,)
    return ()


def _verdict(judged: Judged) -> Verdict:
    broken = judged.modes or judged.contradiction is not None
    broken = broken or not np.isfinite(judged.evidence.value[0])
    if broken:
        return Verdict.FAIL
    return worst(check.verdict for check in (*judged.leaves, *judged.rules))


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
    if not plan.outputs:
        listed.append("nothing: the function has no outputs")
    return tuple(listed)
