"""Whether the examples with the largest loss have a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxdebug.checks.batch_fields import count_rows
from jaxdebug.checks.outcome import Outcome, judged
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.reports import format_number

NAME = "clipped-loss"

EXAMPLES = 64
"""That are looked at, at most."""


def clipped_loss(subject: Subject) -> Outcome:
    """Take the gradient of one example at a time, as a batch of copies of it.

    An example that is learned may have no gradient; one whose loss is the largest of
    all has one, unless the loss was cut off there.

    Args:
        subject: any.
    """
    start = list(subject.pure.start)
    rows = count_rows(subject.batch)
    places = [(batch, row) for batch in subject.train for row in range(rows)][:EXAMPLES]
    every = [
        subject.value_and_gradient(start, subject.of_one(*place)) for place in places
    ]
    losses = np.asarray([loss for loss, _ in every], np.float64)
    moved = np.asarray([_moves(gradient) for _, gradient in every], bool)
    flat = losses[~moved]
    said = f"{flat.size} of {losses.size} examples have no gradient"
    numbers = {"examples": int(losses.size), "without": int(flat.size)}
    cut = (
        flat.size
        and moved.any()
        and np.isfinite(losses).all()
        and (flat == flat[0]).all()
        and flat[0] != 0  # as of an example that does not count
        # Where all losses are one, as with weights of zero, none was cut.
        and losses[moved].min() < flat[0] >= losses[moved].max()
    )
    if not cut:
        return judged(NAME, said, (), numbers)
    words = (
        f"{said}; the loss of each is {format_number(float(flat[0]))}, and no other "
        "example has a larger one"
    )
    return judged(NAME, said, [found("clipped-loss", "loss", words)], numbers)


def _moves(gradient: Sequence[Any]) -> bool:
    """Whether any of it is not zero."""
    return any(np.any(np.asarray(leaf) != 0) for leaf in gradient)
