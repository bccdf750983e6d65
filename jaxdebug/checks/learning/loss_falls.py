"""Whether some steps of the user's optimiser make the loss smaller."""

from __future__ import annotations

from jaxdebug.checks.learning.courses import difference
from jaxdebug.checks.outcome import Outcome, judged, undecided
from jaxdebug.checks.subject import SHORTLY, Subject
from jaxdebug.findings import found
from jaxdebug.reports import format_number


def loss_falls(subject: Subject) -> Outcome:
    """Train for some steps, and compare the losses of the same batches.

    Args:
        subject: with `optimizer`.
    """
    batches, training = subject.shortly
    before = subject.losses(subject.pure.start, batches)
    after = subject.losses(training.arrays, batches)
    fallen = difference(before, after)
    said = (
        f"loss {format_number(float(before.mean()))} before {SHORTLY} steps, "
        f"{format_number(float(after.mean()))} after, on {len(batches)} batches"
    )
    numbers = {"before": float(before.mean()), "after": float(after.mean())}
    numbers |= {"fallen": fallen.mean, "error": fallen.error, "steps": SHORTLY}
    if fallen.is_positive:
        return judged("loss-falls", said, (), numbers)
    if fallen.mean > fallen.error:
        why = "of some batches it rose: more batches would tell"
        return undecided("loss-falls", f"{said}; {why}", numbers)
    finding = found("loss-does-not-fall", "loss", said, evidence=numbers)
    return judged("loss-falls", said, [finding], numbers)
