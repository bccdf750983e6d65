"""Gaps of a few roundings between a rule and a function written for narrow floats.

A constant is rounded to the dtype of its function, and a series is cut off where that
dtype sees no more. Such a function has, in float64, another slope than the rule that is
the derivative of what it stands for. Traced with float64 arguments it takes other
constants and more terms: what was such a gap is gone, what is a wrong rule is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.gradients.rule_verdict import RuleVerdict
from jaxdebug.reports import Verdict

ROUNDINGS = 64.0
"""Units of rounding of the arguments: a larger gap is none of constants and series."""

MOST = 1e-3
"""Relative; nor is a gap above this, whatever the dtype."""


Check = RuleVerdict | LeafCheck

Again = Callable[[Any], Sequence[Check]]
"""The verdicts at other arguments."""


def without_roundings(checks: Sequence[Check], args: Any, again: Again) -> list[Any]:
    """Verdicts, without gaps that are gone where the function is traced in float64.

    Args:
        checks: of the function as it is.
        args: positional and keyword arguments.
        again: the verdicts at other arguments.

    Cost:
        The check once more, with its compilations, if a rule disagrees by no more than
        some roundings, or a leaf by no more than a thousandth.
    """
    bar = min(MOST, ROUNDINGS * _precision(args))
    asking = {_key(check) for check in checks if _may_be_rounded(check, bar)}
    if not asking or not bar:
        return list(checks)
    with jax.enable_x64(True):
        try:
            wide = again(jax.tree.map(_widened, args))
        except (TypeError, ValueError):
            return list(checks)  # it takes no float64: nothing is known better
    right = {_key(c): c for c in wide if c.verdict is not Verdict.FAIL}
    excused = [
        _excused(check, right[key])
        if (key := _key(check)) in asking and key in right
        else check
        for check in checks
    ]
    rules = (check for check in excused if isinstance(check, RuleVerdict))
    wrong = {str(rule) for rule in rules if rule.verdict is Verdict.FAIL}
    return [
        replace(check, causes=tuple(name for name in check.causes if name in wrong))
        if isinstance(check, LeafCheck)
        else check
        for check in excused
    ]


def _may_be_rounded(check: Check, bar: float) -> bool:
    disagrees = check.verdict is Verdict.FAIL and check.reason == "disagrees"
    if isinstance(check, LeafCheck):
        # What several rules make of a leaf may cancel, and their gaps do not.
        disagrees, bar = disagrees and check.witness == "coordinates", MOST
    return disagrees and 0 < check.error <= bar


def _excused(check: Check, wide: Check) -> Check:
    """The check with the verdict that it has in float64."""
    reason = "rounded" if wide.verdict is Verdict.PASS else wide.reason
    known = replace(check, verdict=wide.verdict, reason=reason)
    is_leaf = isinstance(known, LeafCheck)
    return replace(known, causes=(), blocks=()) if is_leaf else known


def _key(check: Check) -> tuple[str, ...]:
    if isinstance(check, LeafCheck):
        return ("leaf", check.path)
    return ("rule", check.name, check.defined, check.rule)


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
