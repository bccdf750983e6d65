"""The findings that one audited batch supports."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from jaxdebug.checks.lost_gradients import lost_gradients
from jaxdebug.findings import Finding, found
from jaxdebug.findings.codes import page_of
from jaxdebug.gradients.verdict import LeafVerdict
from jaxdebug.programs.custom_rules import CustomRule
from jaxdebug.programs.places import Site
from jaxdebug.reports import Verdict, format_number


def gradient_findings(
    verdicts: Sequence[LeafVerdict],
    rules_after: Callable[[int], Sequence[CustomRule]],
    *,
    follows: bool = False,
    severed: Collection[str] = (),
) -> list[Finding]:
    """A finding for each leaf whose gradient is wrong or not finite.

    Leaves of one module that have lost their gradients are one finding.

    Args:
        verdicts: of each leaf.
        rules_after: the user's own derivative rules that a leaf goes through.
        follows: whether what goes in, or the loss, is not finite already; then a
            gradient that is not finite is no finding of its own.
        severed: leaves that no derivative leads to, whatever the batch; of those
            the rules have more to say than a remark.
    """
    findings = []
    lost: dict[str, list[LeafVerdict]] = {}
    for index, leaf in enumerate(verdicts):
        if leaf.reason == "lost-gradient":
            lost.setdefault(_through(rules_after(index)), []).append(leaf)
        elif leaf.reason in _REMARKS:
            if leaf.path not in severed:
                findings.append(_remark(leaf))
        elif leaf.reason == "not-finite" and follows:
            continue
        elif leaf.verdict is Verdict.FAIL:
            findings.append(_FAILURES[leaf.reason](leaf, rules_after(index)))
    for through, leaves in lost.items():
        paths = {leaf.path for leaf in leaves}
        others = {leaf.path for leaf in verdicts} - paths
        findings += lost_gradients(leaves, others, through)
    return findings


def value_findings(
    loss: float, sites: Sequence[tuple[Site, Mapping[str, Any]]]
) -> list[Finding]:
    """Findings on a loss that is not finite, with the first layer that is not."""
    if np.isfinite(loss):
        return []
    culprit = next(
        (
            site
            for site, numbers in sites
            if site.kind == "output" and np.any(numbers["nonfinite"] > 0)
        ),
        None,
    )
    where = culprit.name if culprit else "loss"
    detail = ""
    if culprit is not None:
        line = f" at {culprit.line}" if culprit.line else ""
        detail = (
            f"; the first layer with a non-finite output is {culprit.name}{line} "
            f"({culprit.primitive})"
        )
    return [
        found(
            "nonfinite-loss",
            where,
            f"the loss is {format_number(loss)}{detail}",
            line=culprit.line if culprit else None,
            evidence={"loss": loss},
        )
    ]


def _through(rules: Sequence[CustomRule]) -> str:
    if not rules:
        return ""
    return "; it goes through the custom rule " + ", ".join(map(str, rules))


def _wrong(leaf: LeafVerdict, rules: Sequence[CustomRule]) -> Finding:
    remedies = page_of("wrong-gradient").remedies
    if rules:
        named = ", ".join(map(str, rules))
        remedies = (f"Check {named} against its formula.", *remedies[1:])
    return found(
        "wrong-gradient",
        leaf.path,
        f"the gradient gives a slope of {format_number(leaf.slope)}, finite "
        f"differences in float64 give {format_number(leaf.difference)} "
        f"± {format_number(leaf.bar)}: they differ by {format_number(leaf.error)} of "
        f"its typical slope{_through(rules)}",
        remedies=remedies,
        evidence=_numbers(leaf),
    )


def _nonfinite(leaf: LeafVerdict, rules: Sequence[CustomRule]) -> Finding:
    if np.isfinite(leaf.slope):
        return _overflow(leaf, rules)
    return found(
        "nonfinite-gradient",
        leaf.path,
        f"the gradient is not finite{_through(rules)}",
        evidence=_numbers(leaf),
    )


def _overflow(leaf: LeafVerdict, rules: Sequence[CustomRule]) -> Finding:
    return found(
        "nonfinite-gradient",
        leaf.path,
        "the gradient is not finite in the model's precision; in float64 it is"
        f"{_through(rules)}",
        remedies=(
            "Look for an overflow, or a square that underflows to zero below a root "
            "or a division.",
            "Compute that part in float32, or scale its operand first.",
        ),
        evidence=_numbers(leaf),
    )


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


def _remark(leaf: LeafVerdict) -> Finding:
    code, message = _REMARKS[leaf.reason]
    return found(code, leaf.path, message, evidence=_numbers(leaf))


def _numbers(leaf: LeafVerdict) -> dict[str, object]:
    return {"slope": leaf.slope, "difference": leaf.difference, "bar": leaf.bar}


_FAILURES = {"disagrees": _wrong, "not-finite": _nonfinite}
