"""Whether evaluation uses the running averages that training keeps."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.batch_fields import count_rows, map_rows
from jaxdebug.checks.outcome import CannotRun, Outcome, judged
from jaxdebug.checks.running_averages import running_averages
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.reports import format_number

NAME = "evaluation-averages"

NEAR = 1e-4
"""Relative difference up to which a mean of means is as it should be."""


def evaluation_averages(subject: Subject) -> Outcome:
    """Change the averages, and give some examples twice.

    Averages that evaluation does not read may be there for a log. Only a loss that is
    also no mean over its examples normalises by the batch.

    Args:
        subject: with `eval_loss_fn`, and averages in `extra` or in a module's state.
    """
    if subject.workload.eval_loss_fn is None:
        raise CannotRun("give `eval_loss_fn`")
    averages = running_averages(subject)
    if not averages:
        raise CannotRun(
            "expected the training loss to change arrays that are not trained, such as "
            "batch statistics; found none. Of Linen, hand them on by `next_extra`"
        )
    start, batch = [*subject.pure.start], subject.batch
    other = [
        2 * leaf + 1 if number in averages else leaf
        for number, leaf in enumerate(start)
    ]
    (old,), (new,) = [subject.evaluation_losses(x, [batch]) for x in (start, other)]
    said = (
        f"loss {format_number(float(old))}, with other averages "
        f"{format_number(float(new))}"
    )
    numbers = {"loss": float(old), "other_averages": float(new)}
    if old != new or not _mixes(subject, batch):
        return judged(NAME, said, (), numbers)
    words = f"{said}: the same; and the loss of an example depends on the others"
    finding = found("unused-averages", "eval_loss_fn", words, evidence=numbers)
    return judged(NAME, said, [finding], numbers)


def _mixes(subject: Subject, batch: Any) -> bool:
    """Whether the loss is no mean over the examples, however they are weighted."""
    half = count_rows(batch) // 2
    return bool(half) and (
        _is_outside(subject, batch) or _counts_otherwise(subject, batch, half)
    )


def _is_outside(subject: Subject, batch: Any) -> bool:
    """Whether it is beyond the losses of each example alone, in a batch of copies."""
    start = subject.pure.start
    alone = [subject.of_one(batch, row) for row in range(count_rows(batch))]
    (whole,) = subject.evaluation_losses(start, [batch])
    each = subject.evaluation_losses(start, alone)
    room = NEAR * max(abs(whole), float(np.abs(each).max()))
    return bool(whole < each.min() - room or whole > each.max() + room)


def _counts_otherwise(subject: Subject, batch: Any, half: int) -> bool:
    """Whether one half given twice does not count twice."""
    first = subject.of_first(batch, half)
    second = map_rows(batch, itemgetter(slice(half, 2 * half)))

    def joined(*parts: Any) -> Any:
        return jax.tree.map(
            lambda *leaves: jnp.concatenate(leaves) if leaves[0].ndim else leaves[0],
            *parts,
        )

    a, b, both, more = subject.evaluation_losses(
        subject.pure.start,
        [first, second, joined(first, second), joined(first, first, second)],
    )
    # both = w a + (1 - w) b, and with the first half twice its weight is 2w / (1 + w).
    share = (both - b) / (a - b) if a != b else 0.5
    expected = b + 2 * (both - b) / (1 + share)
    room = NEAR * max(abs(a), abs(b), abs(both))
    is_sum = abs(both - a - b) <= room and abs(more - 2 * a - b) <= room
    is_mean = -NEAR <= share <= 1 + NEAR and abs(more - expected) <= room
    return not (is_sum or is_mean)
