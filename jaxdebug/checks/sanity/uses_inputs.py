"""Whether the gradient depends on the inputs: the baseline without them."""

from __future__ import annotations

import jax
import numpy as np

from jaxdebug.checks.outcome import Outcome, judged, undecided
from jaxdebug.checks.sanity.gradient_sizes import apart, norm
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.reports import format_number

NAME = "uses-inputs"

FAINT = 1e-3
"""Of the gradient's norm, what is left of it with other inputs."""


def uses_inputs(subject: Subject) -> Outcome:
    """Compare the gradients of a batch as it is, and with inputs of zero.

    Args:
        subject: with `inputs`.
    """
    pure, batch = subject.pure, subject.batch
    start = list(pure.start)
    gradient = jax.jit(lambda batch: pure.value_and_gradient(start, batch)[1])
    own, blank = [gradient(one) for one in (batch, subject.blank(batch))]
    size, difference = norm(own), apart(own, blank)
    said = (
        f"gradient {format_number(size)}, with inputs of zero another one by "
        f"{format_number(difference)}"
    )
    numbers = {"gradient": size, "apart": difference}
    if not np.isfinite(difference) or not size:
        return undecided(NAME, said, numbers)
    findings = []
    if difference < FAINT * size:
        findings.append(found("unused-inputs", "inputs", said, evidence=numbers))
    return judged(NAME, said, findings, numbers)
