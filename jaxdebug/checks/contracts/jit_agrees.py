"""Whether the loss is the same without jit, operation by operation."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.outcome import Outcome, judged
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.programs.graph import build_graph
from jaxdebug.reports import format_number

ROUNDINGS = 1e4
"""Units in the last place of float32, or of float64 where nothing is coarser, that sums
in another order may differ by."""

COARSE_ROUNDINGS = 8.0
"""Of a narrower format, which is rounded to after each operation without jit only."""


def jit_agrees(subject: Subject) -> Outcome:
    """Compute the loss of a batch compiled, and operation by operation.

    Args:
        subject: any.
    """
    pure, batch = subject.pure, subject.batch
    compiled = float(subject.losses(pure.start, [batch])[0])
    eager = pure.loss(list(pure.start), batch).value
    value = float(eager)
    room = _rounding(subject) * max(abs(value), abs(compiled))
    said = f"loss {format_number(compiled)}, without jit {format_number(value)}"
    both_nan = np.isnan(value) and np.isnan(compiled)
    findings = []
    if not (abs(value - compiled) <= room or both_nan or value == compiled):
        findings.append(found("jit-disagrees", "loss", said))
    return judged("jit-agrees", said, findings, {"jit": compiled, "eager": value})


def _rounding(subject: Subject) -> float:
    """Relative, by the coarsest format that occurs in the program of the loss.

    A loss in float64 may be made of numbers in float32, and one in float32 of bfloat16.
    """
    avals = build_graph(subject.program.jaxpr).avals
    dtypes = {aval.dtype for aval in avals if hasattr(aval, "dtype")}
    floating = [dtype for dtype in dtypes if jnp.issubdtype(dtype, jnp.floating)]
    coarsest = max(float(jnp.finfo(dtype).eps) for dtype in floating)
    usual = min(coarsest, float(jnp.finfo(jnp.float32).eps))
    return max(ROUNDINGS * usual, COARSE_ROUNDINGS * coarsest)
