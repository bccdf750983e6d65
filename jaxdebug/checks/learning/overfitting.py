"""Whether a short training already unlearns what it knew of new examples."""

from __future__ import annotations

import numpy as np

from jaxdebug.checks.batch_fields import count_rows
from jaxdebug.checks.learning.courses import difference
from jaxdebug.checks.learning.training import Training
from jaxdebug.checks.outcome import Outcome, judged
from jaxdebug.checks.subject import PIECE, Subject
from jaxdebug.findings import found
from jaxdebug.reports import format_number

NAME = "overfitting"

STEPS = 400

LOST = 0.25
"""Of what was learned of new examples, the part that is lost again."""


def overfitting(subject: Subject) -> Outcome:
    """Train for some hundred steps, and look at the evaluation loss now and then.

    Args:
        subject: with `optimizer` and `eval`.
    """
    batches, held_out = subject.train, subject.held_out
    order = (batches * -(-STEPS // len(batches)))[:STEPS]
    training = subject.begin()
    course = [subject.evaluation_losses(training.arrays, held_out)]
    for at in range(0, STEPS, PIECE):
        training, _ = subject.train_on(training, order[at : at + PIECE])
        course.append(subject.evaluation_losses(training.arrays, held_out))
    means = [float(losses.mean()) for losses in course]
    best = int(np.argmin(means))
    rows = count_rows(subject.batch) * len(batches)
    count = sum(leaf.size for leaf in subject.pure.trained(subject.pure.start))
    said = (
        f"evaluation loss {format_number(means[0])}, "
        f"{format_number(means[best])} after {best * PIECE} steps, "
        f"{format_number(means[-1])} after {STEPS}; {rows} "
        f"examples, {count:,} parameters"
    )
    numbers = {"course": means, "examples": rows, "parameters": int(count)}
    lost = means[-1] - means[best] > LOST * (means[0] - means[best])
    worse = lost and difference(course[-1], course[best]).is_positive
    # Of a training that diverges there is more to say.
    if worse and _fell(subject, training):
        finding = found("overfits-soon", "train", said, evidence=numbers)
        return judged(NAME, said, [finding], numbers)
    return judged(NAME, said, (), numbers)


def _fell(subject: Subject, training: Training) -> bool:
    """Whether the training batches were learned."""
    batches = subject.train
    before = subject.losses(subject.pure.start, batches)
    return difference(before, subject.losses(training.arrays, batches)).is_positive
