"""Some steps of the user's own train step, watched."""

from __future__ import annotations

from jaxdebug.checks.declarations import FROZEN
from jaxdebug.checks.outcome import CannotRun, Outcome, judged
from jaxdebug.checks.state_copy import state_copy
from jaxdebug.checks.subject import Subject
from jaxdebug.checks.user_traceback import user_line
from jaxdebug.findings import found
from jaxdebug.reports.error_text import in_one_line
from jaxdebug.training.watch import watch

NAME = "train-step"

STEPS, EVERY = 204, 50
"""What never changes is told from what waits after 200 steps, as `watch` does."""

LOOK, COMPILED = 10, "compiled-every-step"
"""After so many steps it is asked whether each of them is compiled anew."""


def watched_steps(subject: Subject) -> Outcome:
    """Run the train step on a copy of its state, and watch it as `watch` does.

    Args:
        subject: with `train_step` and `state`.
    """
    workload = subject.workload
    if workload.train_step is None:
        raise CannotRun("give `train_step` and `state`")
    frozen = tuple(entry for entry in workload.declare if entry.startswith(FROZEN))
    batches = subject.train
    state = state_copy(workload.state)
    with watch(
        workload.train_step,
        every=EVERY,
        on_nonfinite=lambda incident: None,
        bundle=False,
        declare=frozen,
    ) as step:
        for number in range(STEPS):
            try:
                state, _ = step(state, batches[number % len(batches)])
            except Exception as error:  # of the user's step
                return _raised(number, error)
            if number % LOOK == 0 and COMPILED in {
                finding.code for finding in step.history.findings
            }:
                break  # each of the other steps would be compiled as well
        report = step.report()
    said = report.summary().partition(": ")[2]
    return Outcome(NAME, report.verdict, said, report.findings)


def _raised(number: int, error: Exception) -> Outcome:
    said = f"step {number} raises {in_one_line(error)}"
    finding = found("step-raises", "train_step", said, line=user_line(error))
    return judged(NAME, said, [finding])
