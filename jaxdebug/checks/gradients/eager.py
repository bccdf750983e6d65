"""Whether a gradient that is computed operation by operation is the compiled one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxdebug.checks.gradients.asked import Asked
from jaxdebug.checks.gradients.judged import Judged
from jaxdebug.findings import found
from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.programs.shadow import widen_on_host
from jaxdebug.reports import format_number
from jaxdebug.reports.error_text import in_one_line

ROUNDINGS = 1e3
"""Units in the last place that another program may differ by, and more where the
gradient is ill-conditioned: ten times what the compiled one is off from float64."""


def with_eager(judged: Judged, asked: Asked, arguments: Sequence[Any]) -> Judged:
    """The verdicts, and a finding if they are of the compiled gradient alone.

    Args:
        judged: of the compiled gradient.
        asked: what it was made of.
        arguments: flat.

    Cost:
        One gradient, operation by operation; each kind compiles when it runs first.
    """
    plan, compiled = asked.plan, asked.held[-1]
    given = jax.device_put(list(arguments)), asked.cotangents
    try:
        results = plan.problem.gradient(*given[0], *given[1])
    except (TypeError, ValueError, NotImplementedError, RuntimeError) as error:
        why = in_one_line(error)
        unseen = f"whether it is the same without jit: it raises {why}"
        return judged._replace(unseen=(*judged.unseen, unseen))
    worst, path = 0.0, ""
    gradient = jax.device_get(results[len(plan.outputs) :])
    for leaf, eager, other in zip(judged.leaves, gradient, compiled, strict=True):
        gap, size = _gap(widen_on_host(eager), np.asarray(other))
        allowed = lawful_gap(leaf)
        if gap > allowed * size and not gap <= worst * size:
            worst, path = (gap / size if size > 0 else gap), leaf.path
    if not path:
        return judged
    differs = found(
        "eager-disagrees",
        path,
        "without jit its gradient is another one: it differs by "
        f"{format_number(worst)} of the compiled one's norm",
        evidence={"gap": worst},
    )
    return judged._replace(whole=(*judged.whole, differs))


def lawful_gap(leaf: LeafCheck, *others: Any) -> float:
    """By how much of its norm another program's gradient of a leaf may differ.

    Args:
        leaf: what is known of JAX's gradient.
        others: dtypes of the other.
    """
    rounding = max(float(jax.numpy.finfo(d).eps) for d in (leaf.dtype, *others))
    return ROUNDINGS * rounding + 10 * (leaf.precision + leaf.flips)


def _gap(eager: np.ndarray, compiled: np.ndarray) -> tuple[float, float]:
    """Norm of the difference, infinite if one alone is not finite, and of the other."""
    finite = np.isfinite(eager), np.isfinite(compiled)
    if not np.array_equal(*finite):
        return np.inf, 1.0
    both = finite[0]
    gap = np.linalg.norm((eager - compiled)[both])
    return float(gap), float(np.linalg.norm(compiled[both]))
