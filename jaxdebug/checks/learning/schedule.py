"""Whether the optimiser's steps come to an end before the batches do."""

from __future__ import annotations

import numpy as np

from jaxdebug.checks.learning.constant_gradient import update_sizes
from jaxdebug.checks.outcome import Outcome, judged, undecided
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found

NAME = "schedule"

PASSES = 2
"""Over the training batches: where an optimiser gathers the gradients of several steps,
the last of a pass may come to nothing."""

NOTHING = 1e-6
"""Of the largest update, one that moves nothing."""

EARLY = 0.9
"""Of a pass, before which steps may not end: a schedule may end with a single pass."""


def schedule(subject: Subject) -> Outcome:
    """Give the optimiser the same gradient again and again, and look at its updates.

    Args:
        subject: with `optimizer`.
    """
    one_pass = len(subject.train)
    sizes = update_sizes(subject, PASSES * one_pass)
    if not np.isfinite(sizes).all() or not sizes.any():
        return undecided(NAME, "the updates are zero, or not finite")
    last = int(np.flatnonzero(sizes > NOTHING * sizes.max())[-1]) + 1
    numbers = {"last": last, "pass": one_pass}
    if last == len(sizes):
        return judged(NAME, f"steps still move parameters after {last}", (), numbers)
    said = (
        f"steps end after {last}: of the same gradient, later updates are less than "
        f"{NOTHING:g} of the largest; one pass over the training batches takes "
        f"{one_pass}"
    )
    findings = []
    if last < EARLY * one_pass:
        findings.append(found("steps-end-early", "optimizer", said, evidence=numbers))
    return judged(NAME, said, findings, numbers)
