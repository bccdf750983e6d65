"""Whether a loss is a mean over the examples of a batch, or grows with their number."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.batch_fields import map_rows
from jaxdebug.checks.outcome import CannotRun, Outcome, judged, undecided
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.reports import format_number
from jaxdebug.reports.error_text import in_one_line

NEAR = 0.05
"""Relative difference up to which a ratio is one, or two."""


def reduction(subject: Subject) -> Outcome:
    """Compare the loss of a batch with that of the batch twice.

    Args:
        subject: any; in evaluation mode where there is one.
    """
    batch = subject.batch
    twice = map_rows(batch, lambda leaf: jnp.concatenate([leaf, leaf]))
    losses = subject.evaluation_losses(subject.pure.start, [batch])
    try:
        doubled = subject.evaluation_losses(subject.pure.start, [twice])
    except Exception as error:  # of a loss that is written for one size
        raise CannotRun(
            f"the loss takes no batch twice as large: {in_one_line(error)}"
        ) from error
    losses = np.concatenate([losses, doubled])
    ratio = float(losses[1] / losses[0]) if losses[0] else 1.0
    said = (
        f"loss {format_number(float(losses[0]))}, of the batch twice "
        f"{format_number(ratio)} times as much"
    )
    numbers = {"ratio": ratio, "loss": float(losses[0])}
    if abs(ratio - 2) < 2 * NEAR:
        finding = found("summed-loss", "loss", said, evidence=numbers)
        return judged("reduction", said, [finding], numbers)
    if abs(ratio - 1) > NEAR:
        why = "neither a mean nor a sum over the examples, or one of several terms is"
        return undecided("reduction", f"{said}: {why}", numbers)
    return judged("reduction", said, (), numbers)
