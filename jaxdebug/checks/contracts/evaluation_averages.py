"""Whether evaluation uses the running averages that training keeps."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import numpy as np

from jaxdebug.checks.batch_fields import count_rows, map_rows
from jaxdebug.checks.outcome import CannotRun, Outcome, judged
from jaxdebug.checks.running_averages import running_averages
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.reports import format_number

NAME = "evaluation-averages"

NEAR = 1e-4
"""Relative difference up to which a loss is within the range of others."""

ROUNDING = 1e-5
"""The same of a mean over two parts, from what is known of them: where all parts are
alike, a batch that normalises itself shows little."""


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
    return _is_outside(subject, batch) or _adds_otherwise(subject, batch)


def _is_outside(subject: Subject, batch: Any) -> bool:
    """Whether it is beyond the losses of each example alone, in a batch of copies."""
    start = subject.pure.start
    alone = [subject.of_one(batch, row) for row in range(count_rows(batch))]
    (whole,) = subject.evaluation_losses(start, [batch])
    each = subject.evaluation_losses(start, alone)
    room = NEAR * max(abs(whole), float(np.abs(each).max()))
    return bool(whole < each.min() - room or whole > each.max() + room)


def _adds_otherwise(subject: Subject, batch: Any) -> bool:
    """Whether three parts of the batch have no weights that explain their pairs."""
    third = count_rows(batch) // 3
    if not third:
        return False

    def losses(*chosen: np.ndarray) -> np.ndarray:
        batches = [map_rows(batch, itemgetter(rows)) for rows in chosen]
        return subject.evaluation_losses(subject.pure.start, batches)

    parts = np.arange(3 * third).reshape(3, third)
    alone = losses(*parts)
    # The two that are nearest are foretold, from how each adds to the third.
    order = np.argsort(alone)
    low, middle, high = alone[order]
    if middle - low > high - middle:
        order = order[::-1]
    (one, two, far), (a, b, c) = parts[order], alone[order]
    ac, bc, ab = losses(np.r_[one, far], np.r_[two, far], np.r_[one, two])
    room = ROUNDING * max(map(abs, (a, b, c, ab)))
    if all(abs(whole - x - y) <= room for whole, x, y in ((ab, a, b), (bc, b, c))):
        return False  # a sum
    if min(abs(ac - c), abs(bc - c)) <= room:
        return False  # too near to each other to tell
    weights = _weight(a, ac, c), _weight(b, bc, c)
    if not all(0 < weight < np.inf for weight in weights):
        return True
    expected = (weights[0] * a + weights[1] * b) / sum(weights)
    sure = sum(room / abs(x - c) for x in (ac, bc))
    return bool(abs(ab - expected) > room + 4 * sure * abs(a - b))


def _weight(part: float, both: float, far: float) -> float:
    """How much a part weighs beside the far one in the loss of both."""
    return (far - both) / (both - part) if both != part else np.inf
