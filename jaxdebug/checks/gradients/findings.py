"""The findings of a gradient check: the wrong rule first, then what it explains not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxdebug.checks.gradients.differences import Contradiction
from jaxdebug.checks.gradients.lost_gradients import lost_gradients
from jaxdebug.checks.gradients.ways import cut_text
from jaxdebug.checks.precision.findings import FLIPPED, flipped
from jaxdebug.findings import Finding, found
from jaxdebug.findings.parts import listed
from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.gradients.rule_verdict import RuleVerdict
from jaxdebug.reports import Verdict, format_apart, format_number

PRECISION = 0.1
"""Relative error of the native gradient above which its digits count as lost."""


def wrong_gradients(
    leaves: Sequence[LeafCheck],
    rules: Sequence[RuleVerdict],
    *,
    follows: bool = False,
) -> list[Finding]:
    """One finding for each wrong rule, and one for each leaf that none explains.

    Leaves of one module that have lost their gradients are one finding.

    Args:
        leaves: every leaf.
        rules: every custom rule.
        follows: whether what goes in, or the value, is not finite already; then a
            gradient that is not finite is no finding of its own.
    """
    findings = [
        _wrong_rule(rule, [leaf.where for leaf in leaves if str(rule) in leaf.causes])
        for rule in rules
        if rule.verdict is Verdict.FAIL
    ]
    wrong = [leaf for leaf in leaves if leaf.verdict is Verdict.FAIL]
    wrong = [leaf for leaf in wrong if not leaf.causes]
    lost = [leaf for leaf in wrong if leaf.reason in ("lost-gradient", "stopped")]
    findings += lost_gradients(lost, {x.path for x in leaves} - {x.path for x in lost})
    findings += [
        _wrong_leaf(leaf)
        for leaf in wrong
        if leaf not in lost and not (follows and leaf.reason == "not-finite")
    ]
    return findings


def wrong_whole(known: Contradiction) -> Finding:
    """That the gradient is wrong, where it is not known in which leaf."""
    slope, difference = format_apart(known.slope, known.difference)
    return found(
        "wrong-gradient",
        "gradient",
        f"along a random direction of all parameters its slope is {slope}, that of "
        f"the function is {difference} ± {format_number(known.bar)}; "
        "budget='standard' names the parameter",
        evidence=known._asdict(),
    )


def lost_digits(leaves: Sequence[LeafCheck]) -> list[Finding]:
    """One finding for each right gradient whose working precision loses digits."""
    findings = [
        found(
            "precision-loss",
            leaf.path,
            f"the {leaf.dtype} gradient is {format_number(leaf.precision)} of "
            "its norm away from the float64 one",
            evidence={"error": leaf.precision, "threshold": PRECISION},
        )
        for leaf in leaves
        if loses_digits(leaf)
    ]
    return findings + [
        flipped(leaf.path, "gradient", leaf.flips)
        for leaf in leaves
        if _counted(leaf) and leaf.flips > FLIPPED
    ]


def loses_digits(leaf: LeafCheck) -> bool:
    """Whether the working precision leaves no more than one digit."""
    return _counted(leaf) and leaf.precision > PRECISION


def _counted(leaf: LeafCheck) -> bool:
    """Whether relative errors of its gradient mean something."""
    return leaf.reason in ("agrees", "stopped", "kink", "expected")


_REMARKS = {
    "flat": (
        "flat-gradient",
        "the gradient is zero, and so is every small change of the loss, but a large "
        "change of the parameter does change the loss",
    ),
    "no-effect": (
        "no-effect",
        "the loss does not depend on it on this batch: the gradient is zero, and no "
        "change of the parameter changes anything",
    ),
}


def remarks(leaves: Sequence[LeafCheck]) -> list[Finding]:
    """What is worth saying of gradients that are right and zero."""
    return [
        found(code, leaf.path, message, evidence=_numbers(leaf))
        for leaf in leaves
        if leaf.reason in _REMARKS
        for code, message in (_REMARKS[leaf.reason],)
    ]


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
        by_rule, by_body = format_apart(rule.by_rule, rule.by_body)
        message += (
            f"; at element {rule.index} of operand {rule.operand} it gives "
            f"{by_rule} for {by_body}"
        )
    message += ")"
    if rule.iteration and rule.ends:
        at = ", ".join(map(str, rule.iteration))
        first, last = map(format_number, rule.ends)
        message += f", in iteration {at} (the first is {first} off, the last {last})"
    if rule.calls:
        message += f", called at {listed(rule.calls)}"
    if behind:
        message += f"; gradients behind it: {listed(behind)}"
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
    if leaf.reason == "not-finite":
        return _nonfinite(leaf)
    where = "the function is differentiable here, and " if _at_point(leaf) else ""
    if np.isfinite(leaf.bar):
        slope, difference = format_apart(leaf.slope, leaf.difference)
        numbers = (
            f"the gradient gives a slope of {slope}, differences in float64 give "
            f"{difference} ± {format_number(leaf.bar)}"
        )
    else:  # the leaf was not looked at alone
        element = f" at [{', '.join(map(str, leaf.index))}]" if leaf.index else ""
        value, plain = format_apart(leaf.found, leaf.expected)
        numbers = (
            f"the gradient is {value}{element}, without custom rules it is {plain}"
        )
    return found(
        "wrong-gradient",
        leaf.path,
        f"{where}{_place(leaf)}{numbers}; no custom rule explains it{_beside(leaf)}",
        evidence=_numbers(leaf) | {"cuts": leaf.cuts},
    )


def _beside(leaf: LeafCheck) -> str:
    """What may lose a part of the gradient."""
    return f"; no derivative passes {cut_text(leaf)}" if leaf.cuts else ""


def _place(leaf: LeafCheck) -> str:
    """What of the leaf is wrong, if it is less than all of it."""
    return "" if leaf.where == leaf.path else f"{leaf.where} is wrong: "


def _nonfinite(leaf: LeafCheck) -> Finding:
    if not np.isfinite(leaf.slope):
        message = f"{_place(leaf)}the gradient is not finite"
        return found("nonfinite-gradient", leaf.path, message, evidence=_numbers(leaf))
    return found(
        "nonfinite-gradient",
        leaf.path,
        "the gradient is not finite in the model's precision; in float64 it is",
        remedies=(
            "Look for an overflow, or a square that underflows to zero below a root "
            "or a division.",
            "Compute that part in float32, or scale its operand first.",
        ),
        evidence=_numbers(leaf),
    )


def _numbers(leaf: LeafCheck) -> dict[str, object]:
    return {
        "slope": leaf.slope,
        "difference": leaf.difference,
        "bar": leaf.bar,
        "error": leaf.error,
        "precision": leaf.precision,
        "blocks": [[block.start, block.stop, block.wrong] for block in leaf.blocks],
    }


def _at_point(leaf: LeafCheck) -> bool:
    return leaf.reason == "differentiable-here"
