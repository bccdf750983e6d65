"""Whether a causal model is shown the very input that it should predict."""

from __future__ import annotations

import jax
import numpy as np

from jaxdebug.checks.outcome import CannotRun, Outcome, judged
from jaxdebug.checks.sanity.initial_loss import before_any_step
from jaxdebug.checks.sanity.known_losses import recognise
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import Severity, found

NAME = "visible-targets"

BACK = 1
"""Positions before its own at which a target is looked for: what is wanted later again
is a task of its own."""


def visible_targets(subject: Subject) -> Outcome:
    """Look for each target among the inputs at its position, and at the one before.

    The loss must be recognised, so that it is known to compare the outputs with the
    targets position by position: many losses shift the tokens themselves.

    Args:
        subject: with `predict_fn`, and inputs and targets whose second axis is time, of
            a model that is declared causal.
    """
    if "causal" not in subject.workload.declare:
        raise CannotRun("give `declare=('causal',)` if outputs must not look ahead")
    value, outputs, targets = before_any_step(subject)
    leaves = jax.tree.leaves(subject.pick(subject.batch, "inputs"))
    inputs = [np.asarray(x) for x in leaves if x.shape == targets.shape]
    if targets.ndim < 2 or targets.shape[1] <= BACK + 1 or not inputs:
        raise CannotRun(
            "expected inputs and targets of one shape, with an axis of time"
        )
    if recognise(value, outputs, targets) is None:
        raise CannotRun("the loss is none that compares outputs and targets in place")
    for back in range(BACK + 1):
        wanted = targets[:, back:]
        for field in inputs:
            if np.array_equal(wanted, field[:, : field.shape[1] - back]) and _varies(
                wanted
            ):
                return _shown(back)
    return judged(NAME, "no input is the target at its position, or just after it")


def _varies(values: np.ndarray) -> bool:
    """Whether one position says nothing of the next."""
    return not np.array_equal(values[:, 1:], values[:, :-1])


def _shown(back: int) -> Outcome:
    where = "at the same position" if not back else "at the position before"
    said = f"each target is the input {where}"
    finding = found(
        "visible-target",
        "targets",
        said,
        severity=Severity.WARNING if back else None,
        evidence={"back": back},
    )
    return judged(NAME, said, [finding])
