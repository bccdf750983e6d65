"""Whether what is learned shows in evaluation mode."""

from __future__ import annotations

from jaxdebug.checks.learning.courses import difference
from jaxdebug.checks.outcome import CannotRun, Outcome, judged, undecided
from jaxdebug.checks.running_averages import running_averages
from jaxdebug.checks.subject import SHORTLY, Subject
from jaxdebug.findings import found
from jaxdebug.reports import format_number

NAME = "evaluation-agrees"


def evaluation_agrees(subject: Subject) -> Outcome:
    """Compare both losses of the batches of a short training, before it and after.

    Args:
        subject: with `optimizer` and `eval_loss_fn`.
    """
    if subject.workload.eval_loss_fn is None:
        raise CannotRun("give `eval_loss_fn`")
    batches, training = subject.shortly
    own, evaluated = [
        [losses(arrays, batches) for arrays in (subject.pure.start, training.arrays)]
        for losses in (subject.losses, subject.evaluation_losses)
    ]
    said = "; ".join(
        f"{name} {format_number(float(before.mean()))}, after {SHORTLY} steps "
        f"{format_number(float(after.mean()))}"
        for name, (before, after) in (("loss", own), ("in evaluation mode", evaluated))
    )
    numbers = {"loss": float(own[1].mean()), "evaluation": float(evaluated[1].mean())}
    if not difference(*own).is_positive:
        return undecided(NAME, f"{said}: nothing was learned", numbers)
    if difference(*evaluated).mean > 0:
        return judged(NAME, said, (), numbers)
    if running_averages(subject):
        why = "running averages may follow slowly: more steps would tell"
        return undecided(NAME, f"{said}; {why}", numbers)
    finding = found("evaluation-apart", "eval_loss_fn", said, evidence=numbers)
    return judged(NAME, said, [finding], numbers)
