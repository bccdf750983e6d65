"""Whether a short training already unlearns what it knew of new examples."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from jaxdebug.checks.batch_fields import count_rows
from jaxdebug.checks.learning.courses import difference
from jaxdebug.checks.learning.training import Training
from jaxdebug.checks.outcome import Outcome, judged
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.reports import format_number

NAME = "overfitting"

LOOKS = (10, 20, 50, 100, 200, 400)
"""Steps after which the evaluation loss is taken. Of few examples it is best early."""

LOST = 0.25
"""Of what was learned of new examples, the part that is lost again."""

BY_HEART, LOST_THEN, ERRORS_THEN = 0.05, 0.05, 2.0
"""A training loss that is so small a part of the evaluation loss has nothing left to
learn; then less, and less surely, is enough."""


def overfitting(subject: Subject) -> Outcome:
    """Train for some hundred steps, and look at the evaluation loss now and then.

    Args:
        subject: with `optimizer` and `eval`.
    """
    held_out, order = subject.held_out, subject.order(LOOKS[-1])
    training = subject.begin()
    course = [subject.evaluation_losses(training.arrays, held_out)]
    for begin, end in pairwise((0, *LOOKS)):
        training, _ = subject.train_on(training, order[begin:end])
        course.append(subject.evaluation_losses(training.arrays, held_out))
    means = [float(losses.mean()) for losses in course]
    best = int(np.argmin(means))
    rows = count_rows(subject.batch) * len(subject.train)
    count = sum(leaf.size for leaf in subject.pure.trained(subject.pure.start))
    said = (
        f"evaluation loss {format_number(means[0])}, "
        f"{format_number(means[best])} after {(0, *LOOKS)[best]} steps, "
        f"{format_number(means[-1])} after {LOOKS[-1]}; {rows} "
        f"examples, {count:,} parameters"
    )
    numbers = {"course": means, "examples": rows, "parameters": int(count)}
    before, after = _own(subject, training)
    by_heart = float(after.mean()) < BY_HEART * means[-1]
    lost = means[-1] - means[best], means[0] - means[best]
    rise = difference(course[-1], course[best])
    worse = rise.is_positive and lost[0] > LOST * lost[1]
    if by_heart:
        sure = rise.mean > ERRORS_THEN * rise.error
        worse = worse or (sure and lost[0] > LOST_THEN * lost[1])
    # Of a training that diverges there is more to say.
    if worse and (by_heart or difference(before, after).is_positive):
        finding = found("overfits-soon", "train", said, evidence=numbers)
        return judged(NAME, said, [finding], numbers)
    return judged(NAME, said, (), numbers)


def _own(subject: Subject, training: Training) -> tuple[np.ndarray, np.ndarray]:
    """The losses of the training batches, before the steps and after."""
    batches = subject.train
    before = subject.losses(subject.pure.start, batches)
    return before, subject.losses(training.arrays, batches)
