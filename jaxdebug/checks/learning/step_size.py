"""Whether steps of another size would lower the loss far more."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxdebug.checks.learning.scaled_gradients import lost_in_epsilon
from jaxdebug.checks.outcome import CannotRun, Outcome, judged, undecided
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.reports import format_number

NAME = "step-size"

STEPS = 30

FACTORS = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4)
"""By which the updates of the optimiser are multiplied."""

FAR = 100.0
"""A factor from which on a step is of the wrong size, and not only another one."""

LITTLE = 0.05
"""Of what the best factor gains, what is little, for each power of ten that it has."""

WORTH = 0.2
"""Of the loss at the start, or of what it would be without inputs, what the best factor
must gain to be worth a word: of parameters that are trained there is little to gain."""

EPSILON = 10.0
"""Times that an update would be larger, had the optimiser no epsilon."""


def step_size(subject: Subject) -> Outcome:
    """Take the same steps with the updates multiplied by powers of ten.

    A learning rate that still rises, as in a warm-up, is not judged.

    Args:
        subject: with `optimizer`.
    """
    batches, order = subject.train[:STEPS], subject.order(STEPS)
    before = float(subject.losses(subject.pure.start, batches).mean())
    gains = {}
    for factor in FACTORS:
        training, _ = subject.train_on(subject.begin(), order, factor)
        after = float(subject.losses(training.arrays, batches).mean())
        gains[factor] = before - after if np.isfinite(after) else -np.inf
    best = max(gains, key=lambda factor: gains[factor])
    said = (
        f"{STEPS} steps lower the loss of {format_number(before)} by "
        f"{format_number(gains[1.0])}, {format_number(best)} times as large ones by "
        f"{format_number(gains[best])}"
    )
    numbers = {"loss": before, "gains": {str(k): v for k, v in gains.items()}}
    little = gains[1.0] < LITTLE * abs(np.log10(best)) * gains[best]
    if (
        not little
        or gains[best] < WORTH * _whole(subject, before)
        or 1 / FAR < best < FAR
    ):
        return judged(NAME, said, (), numbers)
    if best > 1 and _rises(subject, order):
        return undecided(NAME, f"{said}; but the steps still grow, as in a warm-up")
    if best < 1:
        finding = found("large-steps", "optimizer", said, evidence=numbers)
        return judged(NAME, said, [finding], numbers)
    factor = lost_in_epsilon(subject)
    if factor is not None and factor > EPSILON:
        said += (
            "; the gradients are lost in its epsilon: of gradients a million times as "
            f"large it makes updates {format_number(factor)} times as large"
        )
        numbers["epsilon"] = factor
    finding = found("small-steps", "optimizer", said, evidence=numbers)
    return judged(NAME, said, [finding], numbers)


def _whole(subject: Subject, before: float) -> float:
    """What there is to gain: the loss, or that of inputs of zero if it is larger."""
    try:
        blank = [subject.blank(subject.batch)]
    except CannotRun:
        return abs(before)
    without = float(subject.losses(subject.pure.start, blank)[0])
    return max(abs(before), abs(without)) if np.isfinite(without) else abs(before)


def _rises(subject: Subject, order: list[Any]) -> bool:
    """Whether later steps move the parameters by far more than the first."""
    pure = subject.pure

    def moved(before: list[Any], after: list[Any]) -> float:
        pairs = zip(pure.trained(before), pure.trained(after), strict=True)
        return float(np.sqrt(sum(np.square(np.float64(a - b)).sum() for a, b in pairs)))

    third = STEPS // 3
    early, _ = subject.train_on(subject.begin(), order[:third])
    late, _ = subject.train_on(early, order[third : 2 * third])
    first = moved(list(pure.start), early.arrays)
    return moved(early.arrays, late.arrays) > 2 * first
