"""What is known of a gradient before any value of its function is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax

from jaxdebug.checks.gradients.asked import Asked
from jaxdebug.checks.gradients.expected import is_expected
from jaxdebug.checks.gradients.modes import modes_disagree
from jaxdebug.checks.gradients.plan import GradientPlan
from jaxdebug.gradients.cancelled import DISPLACEMENTS, cancels, pullback_cancels
from jaxdebug.gradients.custom_calls import CallSite
from jaxdebug.gradients.evidence import Evidence
from jaxdebug.gradients.leaf import Leaf
from jaxdebug.gradients.rule_verdict import CANCELS, SILENT, judge_calls, rule_name
from jaxdebug.gradients.rule_verdict import Judged as JudgedCall
from jaxdebug.programs.places import is_inexact
from jaxdebug.reports import Verdict

PLAIN = ("agrees", *SILENT)
"""Calls of which no more is to be said; the others may differ from their function."""


class Above(NamedTuple):
    """What the first derivative says, if it is the second that is asked about."""

    first: Asked
    calls: dict[CallSite, JudgedCall]
    """What its calls say of the second."""


class Known(NamedTuple):
    """What is known before any value is asked for."""

    calls: dict[CallSite, JudgedCall]
    leaves: list[Leaf]
    around: Sequence[Evidence] = ()
    """What the witnesses say on a line nearby, if a gap may be rounding."""


def known_of(
    asked: Asked, expected: Sequence[str], above: Above | None = None
) -> Known:
    """What the calls of custom rules say, and what is known of each leaf.

    Args:
        asked: the plan at its arguments.
        expected: rules that are meant to differ.
        above: what the first derivative says, if it is the second that is asked about.
    """
    calls = _judged_calls(asked.plan, asked.evidence, expected)
    around: Sequence[Evidence] = ()
    if any(map(_may_cancel, calls.values())) or modes_disagree(asked.evidence):
        around = asked.around(DISPLACEMENTS)
        calls = _without_cancelled(calls, around)
    leaves = _known_leaves(asked.plan, calls, expected)
    if above is None:
        return Known(calls, leaves, around)
    behind = _behind(above.first.plan, above.calls)
    # A kink on the way of one leaf is a jump of its gradient, in which all others meet.
    kinked = any(leaf.kinked for leaf in known_of(above.first, expected).leaves)
    leaves = [
        leaf._replace(wrong=(*wrong, *leaf.wrong), kinked=leaf.kinked or kinked)
        for leaf, wrong in zip(leaves, behind, strict=True)
    ]
    return Known({**above.calls, **calls}, leaves, around)


def _known_leaves(
    plan: GradientPlan, calls: dict[CallSite, JudgedCall], expected: Sequence[str]
) -> list[Leaf]:
    """What the program's flow says of each leaf."""
    graph, split = plan.graph, plan.problem.split
    leaves = []
    for index, path, way in zip(split.moving, split.names, plan.ways, strict=True):
        node = graph.inputs[index]
        mine = [site for site in calls if site.address in way.addresses]
        wrong = [site for site in mine if calls[site].verdict is Verdict.FAIL]
        leaves.append(
            Leaf(
                path,
                tuple(graph.avals[node].shape),
                str(graph.avals[node].dtype),
                tuple(dict.fromkeys(map(rule_name, wrong))),
                any(is_expected(site, expected) for site in mine),
                "stop_gradient" in way.primitives,
                "while" in way.primitives,
                any(calls[site].reason not in PLAIN for site in mine),
                plan.witnesses.rounding,
                max(
                    (calls[site].error for site in mine if _agrees(calls[site])),
                    default=0.0,
                ),
                any(calls[site].reason == CANCELS for site in mine),
            )
        )
    return leaves


def _behind(
    plan: GradientPlan, calls: dict[CallSite, JudgedCall]
) -> list[tuple[str, ...]]:
    """For each leaf the rules on its way that are wrong."""
    wrong = [site for site, each in calls.items() if each.verdict is Verdict.FAIL]
    found = []
    for way in plan.ways:
        names = (rule_name(site) for site in wrong if site.address in way.addresses)
        found.append(tuple(dict.fromkeys(names)))
    return found


def _judged_calls(
    plan: GradientPlan, evidence: Evidence, expected: Sequence[str]
) -> dict[CallSite, JudgedCall]:
    sites = plan.witnesses.sites
    meant = [is_expected(site, expected) for site in sites]
    tolerances = [_value_tolerance(site) for site in sites]
    return judge_calls(
        sites, evidence.rules, tolerances, meant, plan.witnesses.rounding
    )


def _may_cancel(call: JudgedCall) -> bool:
    return call.verdict is Verdict.FAIL and call.reason in ("disagrees", "not-linear")


def _without_cancelled(
    calls: dict[CallSite, JudgedCall], around: Sequence[Evidence]
) -> dict[CallSite, JudgedCall]:
    """What the calls say, without gaps that are rounding of what they are held against.

    Args:
        calls: the calls, in the order of the evidence.
        around: what the witnesses say on a line nearby.
    """
    found = dict(calls)
    for index, (site, each) in enumerate(calls.items()):
        gaps = [one.rules[index] for one in around]
        if _may_cancel(each) and pullback_cancels(gaps) and cancels(gaps):
            found[site] = each._replace(verdict=Verdict.INCONCLUSIVE, reason=CANCELS)
    return found


def _value_tolerance(site: CallSite) -> float:
    """By how much a rule's value may differ: half the digits of its own dtype."""
    avals = [var.aval for var in site.equation.raw.outvars if is_inexact(var.aval)]
    eps = [float(jax.numpy.finfo(getattr(a, "dtype", None)).eps) for a in avals]
    return 2 * max(eps, default=1e-16) ** 0.5


def _agrees(call: JudgedCall) -> bool:
    return call.verdict is Verdict.PASS and call.reason == "agrees"
