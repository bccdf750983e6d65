"""Whether the loss is the same without jit, operation by operation."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.outcome import Outcome, judged
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.reports import format_number

ROUNDINGS = 1e4
"""Units in the last place that sums in another order may differ by."""


def jit_agrees(subject: Subject) -> Outcome:
    """Compute the loss of a batch compiled, and operation by operation.

    Args:
        subject: any.
    """
    pure, batch = subject.pure, subject.batch
    compiled = float(subject.losses(pure.start, [batch])[0])
    eager = pure.loss(list(pure.start), batch).value
    dtype = jax.dtypes.canonicalize_dtype(jnp.result_type(eager))
    value = float(eager)
    room = ROUNDINGS * float(jnp.finfo(dtype).eps) * max(abs(value), abs(compiled))
    said = f"loss {format_number(compiled)}, without jit {format_number(value)}"
    both_nan = np.isnan(value) and np.isnan(compiled)
    findings = []
    if not (abs(value - compiled) <= room or both_nan or value == compiled):
        findings.append(found("jit-disagrees", "loss", said))
    return judged("jit-agrees", said, findings, {"jit": compiled, "eager": value})
