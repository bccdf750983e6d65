"""How a gradient check is laid out: what is wrong first, everything else below."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jaxdebug.reports import Column, Document, Section, Table, Verdict, format_number

if TYPE_CHECKING:
    from jaxdebug.checks.gradient_report import GradientReport
    from jaxdebug.gradients.leaf_check import LeafCheck

MOST_ROWS = 60
"""A longer table is cut, and says how many rows were left out; JSON has all."""

ORDER = [Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS]

REASONS = {
    "kink": "right near the point; the point itself is on a kink, as of relu at 0",
    "expected": "goes through a rule that is meant to differ, and is right otherwise",
    "stopped": "right with what stop_gradient hands on held still; the function itself "
    "has another slope",
    "negligible": "zero but for rounding, as of a bias in front of a softmax",
    "no-effect": "the function does not depend on it",
    "flat": "zero, and only large changes change the function",
    "empty": "has no elements",
    "iterates": "behind a loop that stops at a tolerance, which may explain the gap",
    "too-noisy": "the function is too noisy to tell",
    "not-converged": "the differences do not settle as the step shrinks",
    "contradictory": "the witnesses contradict each other",
    "lost-gradient": "the gradient is zero, the function depends on the parameter",
    "differentiable-here": "both one-sided slopes agree, the gradient does not",
    "nondeterministic": "two runs or traces of it differ, which may explain the gap",
    "gauge": "depends on the phases of eigenvectors or singular vectors, which are "
    "arbitrary: make the function independent of them to decide",
    "not-implemented": "goes through something that JAX cannot differentiate",
    "not-reached": "no call of it ran on these arguments",
}


def gradient_document(report: GradientReport) -> Document:
    """The document of a gradient check."""
    sections = [*_findings(report), _leaves(report), *_rules(report)]
    second = report.second
    if second is not None:
        parts = [_leaves(second)] if second.leaves else []
        sections += [
            replace(part, title=f"{part.title}: second derivatives")
            for part in (*parts, *_rules(second))
        ]
    if report.unchecked:
        sections.append(Section("Not checked", (), listing=report.unchecked))
    cost = (
        f"{report.cost['values']:.0f} values and {report.cost['gradients']:.0f} "
        f"gradients in float64, {report.cost['seconds']:.1f} s with compilation, "
        f"seed {report.seed}"
    )
    sections.append(Section("Cost", (cost,)))
    title = f"gradients of {report.name}"
    return Document(title, report.verdict, _headline(report), tuple(sections))


def _headline(report: GradientReport) -> str:
    parts = [f"{_passed(report.leaves)} gradients are right"]
    if report.rules:
        parts.append(f"{_passed(report.rules)} custom rules are right")
    known = report.certificate
    parts.append(
        f"error of the whole gradient at most {format_number(known.error)} of its "
        f"norm, at {100 * known.confidence:g} % confidence"
    )
    return "; ".join(parts)


def _passed(checks: Any) -> str:
    right = sum(check.verdict is Verdict.PASS for check in checks)
    return f"{right} of {len(checks)}"


def _findings(report: GradientReport) -> Iterator[Section]:
    for finding in report.findings:
        line = f" at {finding.line}" if finding.line else ""
        yield Section(
            f"{finding.severity}: {finding.code}",
            (f"{finding.where}{line}: {finding.message}.",),
            listing=finding.remedies,
        )


def _leaves(report: GradientReport) -> Section:
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
    for leaf in sorted(report.leaves, key=lambda leaf: ORDER.index(leaf.verdict)):
        decided = leaf.size > 0 and leaf.bar < float("inf") and counted(leaf)
        where = ", ".join(
            block.named("", leaf.shape) or "all of it" for block in leaf.blocks[:2]
        )
        rows.append(
            (
                leaf.path,
                str(leaf.verdict),
                leaf.reason,
                where,
                leaf.error,
                leaf.mismatch if decided else None,
                leaf.bar / leaf.size if decided else None,
                leaf.precision if counted(leaf) else None,
            )
        )
    note = (
        "error: the worst element against the gradient without custom rules, in "
        "float64. along: the slope along one direction against differences of the "
        "function alone, and the bar of those; relative to the slope that such a "
        "direction typically has. rounding: what the working precision costs."
    )
    return Section("Gradients", (note,), _cut(columns, rows), _meanings(report.leaves))


def counted(leaf: LeafCheck) -> bool:
    """Whether the gradient is more than rounding, so that relative errors mean much."""
    return leaf.reason not in ("negligible", "no-effect", "empty")


def _rules(report: GradientReport) -> Iterator[Section]:
    if not report.rules:
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
            _short(rule.rule or rule.defined),
            ", ".join(map(_short, rule.calls)),
        )
        for rule in sorted(report.rules, key=lambda rule: ORDER.index(rule.verdict))
    ]
    note = (
        "Each rule against its own function without rules, at the operands that its "
        "calls received, in float64."
    )
    yield Section("Custom rules", (note,), _cut(columns, rows), _meanings(report.rules))


def _meanings(checks: Any) -> tuple[str, ...]:
    seen = {check.reason for check in checks}
    return tuple(f"{word}: {text}" for word, text in REASONS.items() if word in seen)


def _short(place: str) -> str:
    return place.replace("\\", "/").rsplit("/", 1)[-1]


def _cut(columns: tuple[Column, ...], rows: list[tuple[Any, ...]]) -> Table:
    return Table(columns, tuple(rows[:MOST_ROWS]), more=max(0, len(rows) - MOST_ROWS))
