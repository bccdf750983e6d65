"""What the witnesses of a gradient say, judged; and how a verdict may change later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from jaxdebug.checks.gradients.answers import STANDARD, Budget, looked_at
from jaxdebug.checks.gradients.asked import Asked
from jaxdebug.checks.gradients.differences import CERTAIN, Contradiction, Looked
from jaxdebug.checks.gradients.known import Above, Known, known_of
from jaxdebug.checks.gradients.modes import MODES, modes_disagree
from jaxdebug.checks.gradients.search import Search, located
from jaxdebug.checks.gradients.ways import with_ways
from jaxdebug.findings import Finding, Severity
from jaxdebug.gradients.certificate import Certificate
from jaxdebug.gradients.evidence import Evidence
from jaxdebug.gradients.leaf_check import LeafCheck, check_leaf
from jaxdebug.gradients.rule_verdict import RuleVerdict, judge_rules
from jaxdebug.reports import Verdict, worst

Check = RuleVerdict | LeafCheck


class Judged(NamedTuple):
    """What the witnesses of a gradient say, judged."""

    leaves: tuple[LeafCheck, ...]
    rules: tuple[RuleVerdict, ...]
    whole: tuple[Finding, ...]
    """What is found of the gradient as a whole: that forward and reverse mode differ,
    or that it is not the same twice, or not the same without jit."""
    contradiction: Contradiction | None
    """That the whole gradient is wrong, if it is and leaves were not looked at."""
    certificate: Certificate
    evidence: Evidence
    values: int
    gradients: int
    """Evaluations in float64."""
    unseen: tuple[str, ...] = ()
    """What could not be looked at."""

    @property
    def verdict(self) -> Verdict:
        """On all of it."""
        errors = any(each.severity is Severity.ERROR for each in self.whole)
        broken = errors or self.contradiction is not None
        if broken or not np.isfinite(self.evidence.value[0]):
            return Verdict.FAIL
        doubtful = [Verdict.INCONCLUSIVE] if self.whole else []
        return worst([*doubtful, *(c.verdict for c in (*self.leaves, *self.rules))])

    def excused(self, excuse: Callable[[Check], Any]) -> Judged:
        """The same with other verdicts; leaves name the rules that are wrong still.

        Args:
            excuse: gives each check on a rule or a leaf its verdict.
        """
        rules = tuple(excuse(rule) for rule in self.rules)
        wrong = {str(rule) for rule in rules if rule.verdict is Verdict.FAIL}
        leaves = [excuse(leaf) for leaf in self.leaves]
        named = tuple(
            replace(leaf, causes=tuple(name for name in leaf.causes if name in wrong))
            for leaf in leaves
        )
        return self._replace(rules=rules, leaves=named)

    def forgiven(self, most: float) -> Judged:
        """The same, where gaps of the whole gradient of no more are none.

        Args:
            most: relative to the gradient.
        """
        known, largest = self.contradiction, most * self.evidence.norm(1)
        if known is not None and abs(known.slope - known.difference) <= largest:
            known = None
        whole = modes_disagree(self.evidence, most=max(MODES, most))
        return self._replace(whole=whole if self.whole else (), contradiction=known)


Shown = tuple[Known, Looked, int]
"""What is known, what values say, and how many they were."""


def with_verdict(check: Check, verdict: Verdict, reason: str) -> Check:
    """The check with a verdict under which nothing of it is wrong."""
    known = replace(check, verdict=verdict, reason=reason)
    is_leaf = isinstance(known, LeafCheck)
    return replace(known, causes=(), blocks=()) if is_leaf else known


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
        asked, ((seen, values),) = looked_at(asked, [known.leaves], budget)
    else:
        known, seen, values = shown
    calls, leaves = known.calls, known.leaves
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
        modes_disagree(evidence, known.around),
        seen.contradiction,
        seen.certificate,
        evidence,
        values + search.values + asked.points,
        asked.gradients + len(known.around) * asked.plan.witnesses.gradients,
    )
