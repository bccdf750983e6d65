"""How leaves without a gradient reach the outputs, and what cuts them off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from jaxdebug.checks.gradients.plan import GradientPlan
from jaxdebug.findings import Finding, found
from jaxdebug.gradients.call_gaps import Gaps
from jaxdebug.gradients.custom_calls import CallSite
from jaxdebug.gradients.evidence import Evidence
from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.programs._jax import calls, source
from jaxdebug.programs.cuts import Cut, Way, stands_in, way_of
from jaxdebug.programs.equation import Address
from jaxdebug.reports import Verdict


def with_ways(
    checks: Sequence[LeafCheck],
    plan: GradientPlan,
    evidence: Evidence,
    expected: Sequence[str],
) -> list[LeafCheck]:
    """Say of leaves whose whole gradient is zero how they reach the outputs.

    Args:
        checks: of each leaf.
        plan: that they come from.
        evidence: on the host.
        expected: names of functions that are meant to cut, or to differ.
    """
    silent = _silent(dict(zip(plan.witnesses.sites, evidence.rules, strict=True)))
    graph, moving = plan.graph, plan.problem.split.moving
    looked = []
    for index, check in enumerate(checks):
        asked = check.verdict is Verdict.FAIL or check.reason == "stopped"
        if not asked and evidence.size[:, index].any():
            looked.append(check)
            continue
        cut_by = way_of(graph, graph.inputs[moving[index]], silent)
        if not evidence.size[:, index].any() and check.reason != "empty":
            cuts = _losing(cut_by) if cut_by.open else map(str, cut_by.cuts)
            named = tuple(dict.fromkeys(cuts))
            check = replace(check, way=_word(cut_by, expected), cuts=named)
            own = (_is_own_rule(cut) for cut in cut_by.cuts)
            if check.verdict is Verdict.PASS and check.way == "cut" and any(own):
                # A rule that is zero always is as right here as the true one.
                check = replace(
                    check, verdict=Verdict.INCONCLUSIVE, reason="silent-rule"
                )
        elif check.verdict is Verdict.FAIL and not check.causes:
            check = replace(check, cuts=tuple(dict.fromkeys(_losing(cut_by))))
        if check.reason == "stopped" and _declared(cut_by, expected):
            check = replace(check, reason="expected")
        looked.append(check)
    return looked


def _silent(rules: Mapping[CallSite, Gaps]) -> set[Address]:
    """Calls whose rule gives zero to every coordinate of every operand."""
    return {
        site.address
        for site, gaps in rules.items()
        if np.asarray(gaps.calls).any() and np.asarray(gaps.silent).all()
    }


def _is_own_rule(cut: Cut) -> bool:
    """Whether it is a custom rule that the user wrote."""
    if cut.equation.primitive not in ("custom_jvp_call", "custom_vjp_call"):
        return False
    _, place = calls.custom_rule_name(cut.equation.raw)
    return source.is_users(place.rpartition(":")[0])


def _losing(way: Way) -> Iterator[str]:
    """What may lose a part of a gradient; every network decides by comparisons."""
    return (str(cut) for cut in way.cuts if not cut.decides)


def _word(way: Way, expected: Sequence[str]) -> str:
    if not way.read:
        return "unread"
    if way.open:
        return "open"
    return "declared" if _declared(way, expected) else "cut"


def _declared(way: Way, expected: Sequence[str]) -> bool:
    """Whether every stop_gradient, or else every cut, stands where it is expected."""
    stops = [cut for cut in way.cuts if cut.what == "stop_gradient"] or way.cuts
    return bool(stops) and all(stands_in(cut.equation, expected) for cut in stops)


def way_findings(checks: Sequence[LeafCheck]) -> Iterator[Finding]:
    """Findings on leaves that pass without a gradient: they never train.

    Args:
        checks: as from `with_ways`.
    """
    for check in checks:
        zero = check.verdict is Verdict.PASS or check.reason == "silent-rule"
        # Open, but perhaps not in the branch that is taken.
        doubtful = check.way == "open" and check.reason == "flat" and check.cuts
        if not zero or not (check.way in ("cut", "unread") or doubtful):
            continue
        evidence = {"way": check.way, "cuts": check.cuts}
        if check.way == "unread":
            text = "never reaches the output: the function does not read it"
            yield found("severed-parameter", check.path, text, evidence=evidence)
            continue
        by = cut_text(check)
        if check.reason in ("flat", "silent-rule"):
            how = "may be cut off" if doubtful else "is cut off"
            text = f"the gradient and small differences are zero: it {how} by {by}"
            code = "flat-gradient"
        else:
            text = f"no derivative leads back to it: it is cut off by {by}"
            code = "severed-parameter"
        if check.reason == "no-effect":
            text += "; the function does not change with it here"
        yield found(code, check.path, text, line=cut_line(check), evidence=evidence)


def cut_text(check: LeafCheck, most: int = 3) -> str:
    """What lies between a leaf and the outputs that no derivative passes, in words."""
    more = f" and {len(check.cuts) - most} more" if len(check.cuts) > most else ""
    return f"{', '.join(check.cuts[:most])}{more}"


def cut_line(check: LeafCheck) -> str | None:
    """`file:line` of the cut that is nearest to a leaf."""
    if not check.cuts:
        return None
    return check.cuts[0].partition(" at ")[2] or None
