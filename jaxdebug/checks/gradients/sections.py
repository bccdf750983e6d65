"""Sections that reports share: gradients and custom rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxdebug.checks.report_parts import cut, meanings, short_place
from jaxdebug.reports import WORST_FIRST, Column, Section, Verdict

if TYPE_CHECKING:
    from jaxdebug.gradients.leaf_check import LeafCheck
    from jaxdebug.gradients.rule_verdict import RuleVerdict

REASONS = {
    "kink": "right near the point; the point itself is on a kink, as of relu at 0",
    "certified": "right by the bound on the error of the whole gradient; not looked at "
    "alone",
    "not-looked-at": "the gradient as a whole could not be certified, and the budget "
    "left no values to look at the leaf alone",
    "within-jitter": "off by no more than two runs of it may differ by",
    "expected": "goes through a rule that is meant to differ, and is right otherwise",
    "negligible": "zero but for rounding, as of a bias in front of a softmax",
    "rounded": "differs by a few roundings of its dtype, and not at all where the "
    "function is traced in float64: constants or a series are made for that dtype",
    "no-effect": "the function does not depend on it",
    "flat": "zero, and only large changes change the function",
    "stopped": "right with what stop_gradient hands on held still; the function itself "
    "has another slope",
    "empty": "has no elements",
    "iterates": "behind a loop that stops at a tolerance, which may explain the gap",
    "cancels": "the two derivatives differ by rounding: the function's own one is a "
    "difference of nearly equal numbers here, which a rule may lawfully avoid",
    "native": "its function is a kernel or runs on the host, in a precision of its "
    "own, which may explain the gap",
    "not-differentiable": "at a jump or a cusp, where there is no derivative",
    "too-noisy": "the function is too noisy to tell",
    "not-converged": "the differences do not settle as the step shrinks: the function "
    "bends below every step, or its values are rough",
    "contradictory": "the witnesses contradict each other",
    "lost-gradient": "the gradient is zero, the function depends on the parameter",
    "differentiable-here": "both one-sided slopes agree, the gradient does not",
    "nondeterministic": "two runs or traces of it differ, which may explain the gap",
    "silent-rule": "zero, and its custom rule is zero at all it was called with, as a "
    "wrong one may be too: check it where the function is not flat",
    "gauge": "depends on the phases of eigenvectors or singular vectors, which are "
    "arbitrary: make the function independent of them to decide",
    "not-implemented": "goes through something that JAX cannot differentiate",
    "undefined": "none of its function's values is finite at what it was called with",
    "not-reached": "no call of it ran on these arguments",
}


def passed(leaves: Any, rules: Any) -> str:
    """How many gradients and rules are right."""
    parts = [_passed(leaves, "gradients")]
    if rules:
        parts.append(_passed(rules, "custom rules"))
    return "; ".join(parts)


def _passed(checks: Any, what: str) -> str:
    verdicts = [check.verdict for check in checks]
    undecided = verdicts.count(Verdict.INCONCLUSIVE)
    rest = f", {undecided} undecided" if undecided else ""
    return f"{verdicts.count(Verdict.PASS)} of {len(verdicts)} {what} are right{rest}"


def leaf_section(leaves: Sequence[LeafCheck]) -> Section:
    """The verdict on each leaf's gradient, the worst first."""
    columns = (
        Column("parameter", "path"),
        Column("verdict", "status"),
        Column("because", "text"),
        Column("where", "text"),
        Column("error", "number"),
        Column("along", "number"),
        Column("bar", "number"),
        Column("rounding", "number"),
    )
    rows = []
    for leaf in sorted(leaves, key=_worst_first):
        decided = leaf.size > 0 and leaf.bar < float("inf") and counted(leaf)
        # On a kink another derivative is no measure: the two may lawfully differ.
        error = None if leaf.reason == "kink" else leaf.error
        element = f"[{', '.join(map(str, leaf.index))}]" if error else ""
        blocks = [block.named("", leaf.shape) or "all of it" for block in leaf.blocks]
        rows.append(
            (
                leaf.path,
                str(leaf.verdict),
                leaf.reason,
                ", ".join(blocks[:2]) or element,
                error,
                leaf.mismatch if decided else None,
                leaf.bar / leaf.size if decided else None,
                leaf.precision if counted(leaf) else None,
            )
        )
    note = (
        "where: the wrong elements, or the worst one. error: the worst element against "
        "the gradient without custom rules, in float64. along: the slope along one "
        "direction against differences of the function alone, and the bar of those; "
        "relative to the slope that such a direction typically has. rounding: what "
        "the working precision costs."
    )
    return Section(
        "Gradients",
        (note,),
        cut(columns, rows),
        meanings(REASONS, [leaf.reason for leaf in leaves]),
    )


def _worst_first(leaf: LeafCheck) -> tuple[int, float]:
    gap = leaf.mismatch if leaf.size > 0 else 0.0
    error = gap if leaf.reason == "kink" else max(leaf.error, gap)
    error = error if counted(leaf) else 0.0
    return WORST_FIRST.index(leaf.verdict), -error if np.isfinite(error) else -np.inf


def counted(leaf: LeafCheck) -> bool:
    """Whether the gradient is more than rounding, so that relative errors mean much."""
    return leaf.reason not in ("negligible", "no-effect", "empty")


def rule_sections(rules: Sequence[RuleVerdict]) -> Iterator[Section]:
    """The verdict on each custom rule, if there are any."""
    if not rules:
        return
    columns = (
        Column("rule", "path"),
        Column("verdict", "status"),
        Column("because", "text"),
        Column("error", "number"),
        Column("defined", "path"),
        Column("called", "path"),
    )
    rows = [
        (
            rule.name,
            str(rule.verdict),
            rule.reason,
            rule.error,
            short_place(rule.rule or rule.defined),
            ", ".join(map(short_place, rule.calls)),
        )
        for rule in sorted(rules, key=lambda rule: WORST_FIRST.index(rule.verdict))
    ]
    note = (
        "Each rule against its own function without rules, at the operands that its "
        "calls received, in float64."
    )
    yield Section(
        "Custom rules",
        (note,),
        cut(columns, rows),
        meanings(REASONS, [rule.reason for rule in rules]),
    )
