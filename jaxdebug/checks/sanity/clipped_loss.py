"""Whether the examples with the largest loss have a gradient."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.batch_fields import count_rows, map_rows
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
    pure, start = subject.pure, list(subject.pure.start)

    @jax.jit
    def measured(batch: Any, row: Any) -> Any:
        alone = map_rows(batch, lambda x: jnp.broadcast_to(x[row], x.shape))
        loss, gradient = pure.value_and_gradient(start, alone)
        return loss, jnp.any(jnp.asarray([jnp.any(leaf != 0) for leaf in gradient]))

    rows = count_rows(subject.batch)
    places = [(batch, row) for batch in subject.train for row in range(rows)][:EXAMPLES]
    every = [measured(batch, row) for batch, row in places]
    losses = np.asarray([loss for loss, _ in every], np.float64)
    moved = np.asarray([some for _, some in every], bool)
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
