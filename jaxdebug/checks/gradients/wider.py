"""Gaps of a few roundings between a rule and a function written for narrow floats.

A constant is rounded to the dtype of its function, and a series is cut off where that
dtype sees no more. Such a function has, in float64, another slope than the rule that is
the derivative of what it stands for. Traced with float64 arguments it takes other
constants and more terms: what was such a gap is gone, what is a wrong rule is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.gradients.answers import Budget
from jaxdebug.checks.gradients.asked import Asked
from jaxdebug.checks.gradients.judged import Check, Judged, judge_gradient, with_verdict
from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.reports import Verdict

ROUNDINGS = 64.0
"""Units of rounding of the arguments: a larger gap is none of constants and series."""

MOST = 1e-3
"""Relative; nor is a gap above this, whatever the dtype."""


class Wider(NamedTuple):
    """How to ask again, with float64 arguments in the place of narrower ones."""

    args: Any
    """Positional and keyword arguments."""
    ask: Callable[[Any], Asked]
    expected: Sequence[str]
    budget: Budget


def without_roundings(judged: Judged, wider: Wider) -> Judged:
    """The verdicts, without gaps that are gone where the function is traced in float64.

    Args:
        judged: of the function as it is.
        wider: asks again with float64 arguments.

    Cost:
        The check once more, with its compilations, if a rule disagrees by no more than
        some roundings, or a leaf by no more than a thousandth.
    """
    bar = min(MOST, ROUNDINGS * _precision(wider.args))
    checks = [*judged.rules, *judged.leaves]
    asking = {_key(check) for check in checks if _may_be_rounded(check, bar)}
    if not asking or not bar:
        return judged
    with jax.enable_x64(True):
        try:
            asked = wider.ask(jax.tree.map(_widened, wider.args))
        except (TypeError, ValueError):
            return judged  # it takes no float64: nothing is known better
        again = judge_gradient(asked, wider.expected, budget=wider.budget)
    known = {_key(check): check for check in (*again.rules, *again.leaves)}

    def excuse(check: Check) -> Check:
        wide = known.get(_key(check), check)
        if _key(check) not in asking or wide.verdict is Verdict.FAIL:
            return check
        reason = "rounded" if wide.verdict is Verdict.PASS else wide.reason
        return with_verdict(check, wide.verdict, reason)

    return judged.excused(excuse)


def _may_be_rounded(check: Check, bar: float) -> bool:
    disagrees = check.verdict is Verdict.FAIL and check.reason == "disagrees"
    if isinstance(check, LeafCheck):
        # What several rules make of a leaf may cancel, and their gaps do not.
        disagrees, bar = disagrees and check.witness == "coordinates", MOST
    return disagrees and 0 < check.error <= bar


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
