"""The findings that one audited batch supports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxdebug.findings import Finding, Severity
from jaxdebug.gradients.verdict import LeafVerdict
from jaxdebug.programs.custom_rules import CustomRule
from jaxdebug.programs.sites import Site
from jaxdebug.reports import Verdict, format_number


def gradient_findings(
    verdicts: Sequence[LeafVerdict],
    rules_after: Callable[[int], Sequence[CustomRule]],
    *,
    bad_input: bool = False,
) -> list[Finding]:
    """A finding for each leaf whose gradient is wrong, lost or not finite.

    Args:
        verdicts: of each leaf.
        rules_after: the user's own derivative rules that a leaf goes through.
        bad_input: whether what goes in is not finite already; then a gradient
            that is not finite is no finding of its own.
    """
    findings = []
    for index, leaf in enumerate(verdicts):
        if leaf.reason in _REMARKS:
            findings.append(_remark(leaf))
        elif leaf.reason == "not-finite" and bad_input:
            continue
        elif leaf.verdict is Verdict.FAIL:
            findings.append(_FAILURES[leaf.reason](leaf, rules_after(index)))
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
        Finding(
            "nonfinite-loss",
            Severity.ERROR,
            where,
            f"the loss is {format_number(loss)}{detail}",
            (
                "Look for log, sqrt or division at zero, or exp of a large value, "
                "in that layer.",
                "If it is an overflow, compute that part in float32.",
            ),
            {"loss": loss},
        )
    ]


def _through(rules: Sequence[CustomRule]) -> str:
    if not rules:
        return ""
    return "; it goes through the custom rule " + ", ".join(map(str, rules))


def _wrong(leaf: LeafVerdict, rules: Sequence[CustomRule]) -> Finding:
    first = (
        ("Check " + ", ".join(str(rule) for rule in rules) + " against its formula.",)
        if rules
        else ("Compare the layers after this parameter with their formulas.",)
    )
    return Finding(
        "wrong-gradient",
        Severity.ERROR,
        leaf.path,
        f"the gradient gives a slope of {format_number(leaf.slope)}, finite "
        f"differences in float64 give {format_number(leaf.difference)} "
        f"± {format_number(leaf.bar)}: they differ by {format_number(leaf.error)} of "
        f"its typical slope{_through(rules)}",
        (
            *first,
            "If the deviation is meant (stop_gradient on part of the loss, "
            "straight-through, clipping, reversal), leave that parameter out of the "
            "audit.",
        ),
        _numbers(leaf),
    )


def _lost(leaf: LeafVerdict, rules: Sequence[CustomRule]) -> Finding:
    return Finding(
        "lost-gradient",
        Severity.ERROR,
        leaf.path,
        "the gradient is zero everywhere, but the loss depends on it: finite "
        f"differences in float64 give a slope of {format_number(leaf.difference)} "
        f"± {format_number(leaf.bar)}{_through(rules)}",
        (
            "Look for stop_gradient, an integer cast, a rounding or an argmax between "
            "this parameter and the loss.",
            "If it is meant to be frozen, leave it out of the parameters.",
        ),
        _numbers(leaf),
    )


def _nonfinite(leaf: LeafVerdict, rules: Sequence[CustomRule]) -> Finding:
    if np.isfinite(leaf.slope):
        return _overflow(leaf, rules)
    return Finding(
        "nonfinite-gradient",
        Severity.ERROR,
        leaf.path,
        f"the gradient is not finite{_through(rules)}",
        (
            "Look for a where whose unused branch divides by zero or takes the root "
            "or log of zero: guard the operand, not the result.",
            "Look for a norm, sqrt or arccos at the edge of its domain.",
        ),
        _numbers(leaf),
    )


def _overflow(leaf: LeafVerdict, rules: Sequence[CustomRule]) -> Finding:
    return Finding(
        "nonfinite-gradient",
        Severity.ERROR,
        leaf.path,
        "the gradient is not finite in the model's precision; in float64 it is"
        f"{_through(rules)}",
        (
            "Look for an overflow, or a square that underflows to zero below a root "
            "or a division.",
            "Compute that part in float32, or scale its operand first.",
        ),
        _numbers(leaf),
    )


_REMARKS = {
    "flat": (
        "flat-gradient",
        "the gradient is zero, and so is every small change of the loss, but a large "
        "change of the parameter does change the loss",
        (
            "Look for a rounding, an integer cast or an argmax between this "
            "parameter and the loss: it passes no gradient.",
            "A hinge or a clip that is satisfied by the whole batch does the same.",
        ),
    ),
    "no-effect": (
        "no-effect",
        "the loss does not depend on it: neither the gradient nor a change of the "
        "parameter changes anything",
        ("Check that the parameter is used, and that what multiplies it is not zero.",),
    ),
}


def _remark(leaf: LeafVerdict) -> Finding:
    code, message, remedies = _REMARKS[leaf.reason]
    return Finding(code, Severity.INFO, leaf.path, message, remedies, _numbers(leaf))


def _numbers(leaf: LeafVerdict) -> dict[str, object]:
    return {"slope": leaf.slope, "difference": leaf.difference, "bar": leaf.bar}


_FAILURES = {"disagrees": _wrong, "lost-gradient": _lost, "not-finite": _nonfinite}
