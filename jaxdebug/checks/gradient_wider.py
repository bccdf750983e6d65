"""Gaps of a few roundings between a rule and a function written for narrow floats.

A constant is rounded to the dtype of its function, and a series is cut off where that
dtype sees no more. Such a function has, in float64, another slope than the rule that is
the derivative of what it stands for. Traced with float64 arguments it takes other
constants and more terms: what was such a gap is gone, what is a wrong rule is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.gradient_report import GradientReport
from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.gradients.rule_verdict import RuleVerdict
from jaxdebug.reports import Verdict

ROUNDINGS = 64.0
"""Units of rounding of the arguments: a larger gap is none of constants and series."""

MOST = 1e-3
"""Relative; nor is a gap above this, whatever the dtype."""


def with_wider(
    report: GradientReport, args: Any, again: Callable[[Any], GradientReport]
) -> GradientReport:
    """The report, without gaps that are gone where the function is traced in float64.

    Args:
        report: of the function as it is.
        args: positional and keyword arguments.
        again: the report at other arguments.

    Cost:
        The check once more, with its compilations, if a rule disagrees by no more than
        some roundings, or a leaf by no more than a thousandth.
    """
    bar = min(MOST, ROUNDINGS * _precision(args))
    asking = [c for c in (*report.rules, *report.leaves) if _may_be_rounded(c, bar)]
    if not asking or not bar:
        return report
    with jax.enable_x64(True):
        try:
            wide = again(jax.tree.map(_widened, args))
        except (TypeError, ValueError):
            return report  # the function takes no float64: nothing is known better
    wider = {_key(c): c for c in (*wide.rules, *wide.leaves)}
    excused: dict[tuple[str, ...], Any] = {
        key: wider[key]
        for key in map(_key, asking)
        if key in wider and wider[key].verdict is not Verdict.FAIL
    }
    rules = tuple(_excused(rule, excused) for rule in report.rules)
    leaves = tuple(_excused(leaf, excused) for leaf in report.leaves)
    checks = (*rules, *leaves)
    wrong = {name for c in checks if c.verdict is Verdict.FAIL for name in _named(c)}
    named = {name for c in asking if _key(c) in excused for name in _named(c)} - wrong
    findings = tuple(
        finding
        for finding in report.findings
        if finding.code not in ("wrong-rule", "wrong-gradient")
        or finding.where not in named
    )
    verdicts = {check.verdict for check in checks}
    verdict = Verdict.PASS
    if Verdict.INCONCLUSIVE in verdicts:
        verdict = Verdict.INCONCLUSIVE
    if Verdict.FAIL in verdicts or any(f.severity == "error" for f in findings):
        verdict = Verdict.FAIL
    return replace(
        report, verdict=verdict, findings=findings, rules=rules, leaves=leaves
    )


def _may_be_rounded(check: RuleVerdict | LeafCheck, bar: float) -> bool:
    disagrees = check.verdict is Verdict.FAIL and check.reason == "disagrees"
    if isinstance(check, LeafCheck):
        # What several rules make of a leaf may cancel, and their gaps do not.
        disagrees, bar = disagrees and check.witness == "coordinates", MOST
    return disagrees and 0 < check.error <= bar


def _excused(check: Any, excused: Mapping[tuple[str, ...], Any]) -> Any:
    """The check with the verdict that it has in float64."""
    wide = excused.get(_key(check))
    if wide is None:
        return check
    reason = "rounded" if wide.verdict is Verdict.PASS else wide.reason
    known = replace(check, verdict=wide.verdict, reason=reason)
    is_leaf = isinstance(check, LeafCheck)
    return replace(known, causes=(), blocks=()) if is_leaf else known


def _key(check: RuleVerdict | LeafCheck) -> tuple[str, ...]:
    if isinstance(check, LeafCheck):
        return ("leaf", check.path)
    return ("rule", check.name, check.defined, check.rule)


def _named(check: RuleVerdict | LeafCheck) -> tuple[str, ...]:
    """Under which names findings speak of it."""
    if isinstance(check, LeafCheck):
        return (check.path, check.where)
    return (check.name,)


def _precision(args: Any) -> float:
    """Of the narrowest floats among the arguments; 0 if all are float64."""
    found = [float(jnp.finfo(leaf.dtype).eps) for leaf in _narrow(args)]
    return max(found, default=0.0)


def _narrow(args: Any) -> list[Any]:
    return [leaf for leaf in jax.tree.leaves(args) if _is_narrow(leaf)]


def _is_narrow(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    if dtype is None or not jax.dtypes.issubdtype(dtype, np.floating):
        return False
    return bool(jnp.finfo(dtype).bits < 64)


def _widened(leaf: Any) -> Any:
    return jnp.asarray(leaf, jnp.float64) if _is_narrow(leaf) else leaf
