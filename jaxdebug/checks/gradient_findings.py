"""The findings of a gradient check: the wrong rule first, then what it explains not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jaxdebug.checks.gradient_ways import cut_line, cut_text
from jaxdebug.findings import Finding, found
from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.gradients.rule_verdict import RuleVerdict
from jaxdebug.reports import Verdict, format_number

PRECISION = 0.1
"""Relative error of the native gradient above which its digits count as lost."""


def findings_of(
    leaves: Sequence[LeafCheck], rules: Sequence[RuleVerdict]
) -> list[Finding]:
    """One finding for each wrong rule, and one for each leaf that none explains."""
    findings = [
        _wrong_rule(rule, [leaf.where for leaf in leaves if str(rule) in leaf.causes])
        for rule in rules
        if rule.verdict is Verdict.FAIL
    ]
    for leaf in leaves:
        if leaf.verdict is Verdict.FAIL and not leaf.causes:
            findings.append(_wrong_leaf(leaf))
        elif leaf.verdict is Verdict.PASS and _loses_digits(leaf):
            findings.append(
                found(
                    "precision-loss",
                    leaf.path,
                    f"the {leaf.dtype} gradient is {format_number(leaf.precision)} of "
                    "its norm away from the float64 one",
                    evidence={"error": leaf.precision, "threshold": PRECISION},
                )
            )
    return findings


def _loses_digits(leaf: LeafCheck) -> bool:
    counted = leaf.reason in ("agrees", "stopped", "kink", "expected")
    return counted and leaf.precision > PRECISION


_WRONG = {
    "value-differs": "the value that the rule computes is not the function's",
    "not-linear": "what it makes of a cotangent is not linear in it",
    "not-finite": "it is not finite where the function's derivative is",
    "unlawful-at-kink": "at a kink its slope is outside the one-sided slopes",
    "disagrees": "it is not the derivative of the function",
    "second-derivative": "it is the derivative of the function, but what JAX "
    "makes of it when it differentiates again is not the second derivative",
    "no-second-derivative": "JAX cannot differentiate it again",
}


def _wrong_rule(rule: RuleVerdict, behind: Sequence[str]) -> Finding:
    message = f"{_WRONG[rule.reason]} (relative error {format_number(rule.error)}"
    if rule.index >= 0 and rule.reason in (
        "disagrees",
        "unlawful-at-kink",
        "second-derivative",
    ):
        message += (
            f"; at element {rule.index} of operand {rule.operand} it gives "
            f"{format_number(rule.by_rule)} for {format_number(rule.by_body)}"
        )
    message += ")"
    if rule.iteration and rule.ends:
        at = ", ".join(map(str, rule.iteration))
        first, last = map(format_number, rule.ends)
        message += f", in iteration {at} (the first is {first} off, the last {last})"
    if rule.calls:
        message += f", called at {_listed(rule.calls)}"
    if behind:
        message += f"; gradients behind it: {_listed(behind)}"
    return found(
        "wrong-rule",
        rule.name,
        message,
        line=rule.rule or rule.defined or None,
        evidence={
            "reason": rule.reason,
            "error": rule.error,
            "operand": rule.operand,
            "index": rule.index,
            "by_rule": rule.by_rule,
            "by_body": rule.by_body,
            "iteration": rule.iteration,
            "first": rule.ends[:1],
            "last": rule.ends[1:],
        },
    )


def _wrong_leaf(leaf: LeafCheck) -> Finding:
    numbers = {
        "slope": leaf.slope,
        "difference": leaf.difference,
        "bar": leaf.bar,
        "error": leaf.error,
        "precision": leaf.precision,
        "blocks": [[block.start, block.stop, block.wrong] for block in leaf.blocks],
    }
    if leaf.reason == "not-finite":
        return found(
            "nonfinite-gradient",
            leaf.path,
            f"{_place(leaf)}the gradient is not finite, in float64 or in its own "
            "precision",
            evidence=numbers,
        )
    if leaf.reason == "lost-gradient":
        by = f"; it is cut off by {cut_text(leaf)}" if leaf.cuts else ""
        return found(
            "lost-gradient",
            leaf.path,
            f"the gradient is zero, differences in float64 give a slope of "
            f"{format_number(leaf.difference)} ± {format_number(leaf.bar)}{by}",
            line=cut_line(leaf),
            evidence=numbers | {"way": leaf.way, "cuts": leaf.cuts},
        )
    where = "the function is differentiable here, and " if _at_point(leaf) else ""
    return found(
        "wrong-gradient",
        leaf.path,
        f"{where}{_place(leaf)}the gradient gives a slope of "
        f"{format_number(leaf.slope)}, differences in float64 give "
        f"{format_number(leaf.difference)} ± {format_number(leaf.bar)}; "
        f"no custom rule explains it{_beside(leaf)}",
        evidence=numbers | {"cuts": leaf.cuts},
    )


def _beside(leaf: LeafCheck) -> str:
    """What may lose a part of the gradient."""
    return f"; no derivative passes {cut_text(leaf)}" if leaf.cuts else ""


def _place(leaf: LeafCheck) -> str:
    """What of the leaf is wrong, if it is less than all of it."""
    return "" if leaf.where == leaf.path else f"{leaf.where} is wrong: "


def _at_point(leaf: LeafCheck) -> bool:
    return leaf.reason == "differentiable-here"


def _listed(names: Iterable[str], most: int = 3) -> str:
    every = list(names)
    rest = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + rest
