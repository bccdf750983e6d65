"""Whether the gradient depends on the inputs: the baseline without them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import jax
import numpy as np

from jaxdebug.checks.outcome import CannotRun, Outcome, judged, undecided
from jaxdebug.checks.sanity.gradient_sizes import apart, norm
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.reports import format_number

NAME = "uses-inputs"

FAINT = 1e-3
"""Of the gradient's norm, what is left of it with other inputs."""


def uses_inputs(subject: Subject) -> Outcome:
    """Compare the gradients of a batch as it is, and with inputs of zero.

    Where other fields of the batch enter the loss as well, what is faint beside them,
    as a residual beside boundary values, is looked at again after some steps.

    Args:
        subject: with `inputs`; of batches with further fields with `optimizer` too.
    """
    start = list(subject.pure.start)
    size, difference = _compared(subject, start)
    said = (
        f"gradient {format_number(size)}, with inputs of zero another one by "
        f"{format_number(difference)}"
    )
    numbers = {"gradient": size, "apart": difference}
    if np.isfinite(size) and not np.isfinite(difference):
        return judged(NAME, said, (), numbers)  # they are used: zeros break it
    if not np.isfinite(size) or not size:
        return undecided(NAME, said, numbers)
    findings = []
    if difference < FAINT * size and _stays_faint(subject):
        findings.append(found("unused-inputs", "inputs", said, evidence=numbers))
    return judged(NAME, said, findings, numbers)


def _compared(subject: Subject, arrays: list[Any]) -> tuple[float, float]:
    """The size of the gradient, and of what inputs of zero change of it."""
    batch = subject.batch
    own, blank = [
        subject.value_and_gradient(arrays, one)[1]
        for one in (batch, subject.blank(batch))
    ]
    return norm(own), apart(own, blank)


def _stays_faint(subject: Subject) -> bool:
    """Whether some steps make no difference, where other terms may be large."""
    if subject.workload.optimizer is None or not _has_more(subject):
        return True
    _, training = subject.shortly
    size, difference = _compared(subject, training.arrays)
    return not difference >= FAINT * size


def _has_more(subject: Subject) -> bool:
    """Whether there is more in a batch than inputs and targets."""
    known = 0
    for field in ("inputs", "targets"):
        with suppress(CannotRun):
            known += len(jax.tree.leaves(subject.pick(subject.batch, field)))
    return len(jax.tree.leaves(subject.batch)) > known
