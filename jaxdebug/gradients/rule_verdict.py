"""The verdict on each custom derivative rule, from its calls in a program."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np

from jaxdebug.gradients.call_gaps import Gaps, Loop
from jaxdebug.gradients.coordinates import Coordinates
from jaxdebug.gradients.custom_calls import CallSite
from jaxdebug.programs._jax import calls
from jaxdebug.programs.equation import Address
from jaxdebug.reports import Verdict

AGREEMENT = 1e-7
"""Relative gap of a coordinate up to which a rule and its body agree in float64."""

ALONG = 1e-5
"""The same where only slopes by differences are to be had."""

LINEAR = 1e-9
"""Relative gap up to which a pullback is a linear map: it is one but for rounding."""

LAWFUL = 1e-4
"""A slope so far outside the one-sided slopes, relative to it, is unlawful: what
steps of 1e-6 resolve."""

NOT_REACHED = "not-reached"
"""Of a call that did not run: of a branch not taken, or a loop of no iterations."""

UNDEFINED = "undefined"
"""Of a call none of whose values is finite: it says as little."""

SILENT = (NOT_REACHED, UNDEFINED)
"""Of calls that say nothing of their rule."""

CANCELS = "cancels"
"""Of a call whose gap is rounding: one of the two derivatives cancels."""

SOLVED = 1e-2
"""A body that iterates to a tolerance has a derivative only up to it, and so has one
that keeps its own precision, a kernel or a host function."""


@dataclass(frozen=True)
class RuleVerdict:
    """Whether a custom rule is the derivative of its function.

    Attributes:
        name: of the decorated function.
        defined: `file:line` of the decorated function.
        rule: `file:line` of the bwd or jvp function; empty if JAX made it.
        calls: `file:line` of each call that was compared, each once.
        verdict: pass, fail or inconclusive.
        reason: `agrees`, `kink`, `expected`, `value-differs`, `not-linear`,
            `disagrees`, `unlawful-at-kink`, `not-finite`, `iterates`, `native`,
            `not-reached`, `undefined`, `cancels`, `nondeterministic`, `rounded` (agrees
            where it is traced in float64); of second derivatives also
            `second-derivative` or `no-second-derivative`.
        error: the gap that decided.
        operand: position of the operand whose derivative it is; -1 for none.
        index: flat index of its coordinate; -1 for none.
        by_rule: the derivative there.
        by_body: what it should be.
        iteration: of the loop around the call, if it is in one: the worst.
        ends: how far off the first and the last iteration are, if there are several.
    """

    name: str
    defined: str
    rule: str
    calls: tuple[str, ...]
    verdict: Verdict
    reason: str
    error: float
    operand: int = -1
    index: int = -1
    by_rule: float = 0.0
    by_body: float = 0.0
    iteration: tuple[int, ...] = ()
    ends: tuple[float, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({self.rule or self.defined})"


class Judged(NamedTuple):
    """What one call at one point and in one iteration says."""

    verdict: Verdict
    reason: str
    error: float
    operand: int = -1
    index: int = -1
    by_rule: float = 0.0
    by_body: float = 0.0
    iteration: tuple[int, ...] = ()
    ends: tuple[float, ...] = ()


def judge_calls(
    sites: Sequence[CallSite],
    gaps: Sequence[Gaps],
    value_tolerance: Sequence[float],
    expected: Sequence[bool],
    rounding: float = 0.0,
) -> dict[CallSite, Judged]:
    """What each call says of its rule.

    Args:
        sites: the calls.
        gaps: of each call; leading axes of points and iterations.
        value_tolerance: relative, of each call's value: its own precision.
        expected: whether the rule of each call is meant to differ.
        rounding: of primitives that keep their native dtype, relative to the largest
            coordinate.
    """
    return {
        site: _judge_call(site, _rounded(found, rounding), tolerance, meant)
        for site, found, tolerance, meant in zip(
            sites, gaps, value_tolerance, expected, strict=True
        )
    }


def _rounded(gaps: Gaps, rounding: float) -> Gaps:
    """Gaps without those that are rounding."""

    def beyond(found: Coordinates) -> Coordinates:
        small = np.asarray(found.absolute) <= rounding * np.asarray(found.size)
        return found._replace(gap=np.where(small, 0.0, found.gap))

    if not rounding:
        return gaps
    linear = np.where(np.asarray(gaps.linear) <= rounding, 0.0, gaps.linear)
    return gaps._replace(linear=linear, at=beyond(gaps.at), near=beyond(gaps.near))


def judge_second(
    sites: Sequence[CallSite],
    gaps: Sequence[Gaps],
    refused: Collection[Address],
    expected: Sequence[bool],
) -> dict[CallSite, Judged]:
    """What each call says of the second derivative of its rule.

    Args:
        sites: the calls; those without a second derivative to compare with are left
            out.
        gaps: of each call; leading axes of points and iterations.
        refused: calls that JAX cannot differentiate twice.
        expected: whether the rule of each call is meant to differ.
    """
    found: dict[CallSite, Judged] = {}
    for site, each, meant in zip(sites, gaps, expected, strict=True):
        reached = np.asarray(each.calls) > 0
        if site.address in refused:
            found[site] = Judged(Verdict.FAIL, "no-second-derivative", np.inf)
        elif each.second is not None and reached.any():
            rows = [
                _judge_second(row, meant)
                for place in np.argwhere(reached)
                if (row := _row(each, tuple(place)).second) is not None
            ]
            found[site] = max(rows, key=_rank)
    return found


def _judge_second(row: Coordinates, expected: bool) -> Judged:
    operand = int(np.argmax(row.gap))
    place = (
        operand,
        int(row.worst[operand]),
        float(row.found[operand]),
        float(row.expected[operand]),
    )
    gap = float(row.gap[operand])
    if row.broken.any():
        gap = np.inf
    if gap <= AGREEMENT:
        return Judged(Verdict.PASS, "agrees", gap, *place)
    if expected:
        return Judged(Verdict.PASS, "expected", gap, *place)
    return Judged(Verdict.FAIL, "second-derivative", gap, *place)


def judge_rules(judged: Mapping[CallSite, Judged]) -> tuple[RuleVerdict, ...]:
    """One verdict for each rule: that of its worst call among those that ran."""
    groups: dict[tuple[str, str, str], list[CallSite]] = {}
    for site in judged:
        groups.setdefault(_definition(site), []).append(site)
    verdicts = []
    for key, members in groups.items():
        of_calls = [judged[site] for site in members]
        ran = [each for each in of_calls if each.reason not in SILENT]
        worst = max(ran or of_calls, key=_rank)
        lines = dict.fromkeys(str(s.equation.line) for s in members if s.equation.line)
        verdicts.append(RuleVerdict(*key, tuple(lines), *worst))
    return tuple(verdicts)


def _definition(site: CallSite) -> tuple[str, str, str]:
    raw = site.equation.raw
    return *calls.custom_rule_name(raw), calls.derivative_definition(raw)


def rule_name(site: CallSite) -> str:
    """A call's rule as findings name it: `name (file:line)`, where it is defined."""
    name, defined, rule = _definition(site)
    return f"{name} ({rule or defined})"


def _rank(judged: Judged) -> tuple[int, bool, float]:
    order = [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL]
    # A rule on a kink excuses the gradients behind it: no smaller gap may hide it.
    return order.index(judged.verdict), judged.reason == "kink", judged.error


def _judge_call(site: CallSite, gaps: Gaps, tolerance: float, expected: bool) -> Judged:
    reached = np.asarray(gaps.calls)
    if not (reached > 0).any():
        return Judged(Verdict.INCONCLUSIVE, NOT_REACHED, 0.0)
    found = []
    for place in np.argwhere(reached > 0):
        row = _row(gaps, tuple(place))
        judged = _judge_row(site, row, tolerance)
        found.append(judged._replace(iteration=_iteration(row, place)))
    said = [judged for judged in found if judged.reason != UNDEFINED]
    worst = max(said or found, key=_rank)._replace(ends=_ends(gaps, reached))
    if expected and worst.verdict is not Verdict.PASS:
        return worst._replace(verdict=Verdict.PASS, reason="expected")
    return worst


def _iteration(row: Gaps, place: np.ndarray) -> tuple[int, ...]:
    """Of each loop around a call, outermost first; after the axis of points."""
    inside = tuple(map(int, place[1:]))
    merged = -1 if row.loop is None else int(row.loop.worst)
    return (merged, *inside) if merged >= 0 else inside


def _ends(gaps: Gaps, reached: np.ndarray) -> tuple[float, ...]:
    """How far off the first and the last call are, at the given point."""
    places = np.argwhere(reached[0] > 0)
    if gaps.loop is None or not len(places) or reached[0].sum() < 2:
        return ()
    first, last = tuple(places[0]), tuple(places[-1])
    loop = Loop(*(np.asarray(part)[0] for part in gaps.loop))
    return float(loop.first[first]), float(loop.last[last])


def _row(gaps: Gaps, place: tuple[int, ...]) -> Gaps:
    return jax.tree.map(lambda part: np.asarray(part)[place], gaps)


def _judge_row(site: CallSite, row: Gaps, tolerance: float) -> Judged:
    if row.value > tolerance:
        return Judged(Verdict.FAIL, "value-differs", float(row.value))
    if row.linear > LINEAR:
        if site.body == "forward" and row.linear <= SOLVED:
            return Judged(Verdict.INCONCLUSIVE, "iterates", float(row.linear))
        return Judged(Verdict.FAIL, "not-linear", float(row.linear))
    if row.undefined == 1:
        return Judged(Verdict.INCONCLUSIVE, UNDEFINED, 0.0)
    # Of what lies outside its domain no derivative is known: if one that is not finite
    # comes through to a gradient, that is seen there.
    if row.at.broken.any() and not row.undefined:
        operand = int(np.argmax(row.at.broken))
        return Judged(Verdict.FAIL, "not-finite", np.inf, operand)
    bar = ALONG if site.body == "differences" else AGREEMENT
    operand = int(np.argmax(row.at.gap))
    place = (
        operand,
        int(row.at.worst[operand]),
        float(row.at.found[operand]),
        float(row.at.expected[operand]),
    )
    gap, near = float(row.at.gap[operand]), float(row.near.gap.max(initial=0.0))
    if gap <= bar:
        return Judged(Verdict.PASS, "agrees", gap, *place)
    if near <= bar:
        if row.lawless <= LAWFUL:
            return Judged(Verdict.PASS, "kink", 0.0, *place)
        return Judged(Verdict.FAIL, "unlawful-at-kink", float(row.lawless), *place)
    # Of such a body nearly equal slopes on both sides say nothing of the point itself.
    if site.body != "reverse" and min(gap, near) <= SOLVED:
        reason = "iterates" if site.body == "forward" else "native"
        return Judged(Verdict.INCONCLUSIVE, reason, gap, *place)
    return Judged(Verdict.FAIL, "disagrees", gap, *place)
