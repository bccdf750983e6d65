"""Whether steps of another size would lower the loss far more."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from jaxdebug.checks.learning.constant_gradient import update_sizes
from jaxdebug.checks.learning.scaled_gradients import lost_in_epsilon
from jaxdebug.checks.outcome import CannotRun, Outcome, judged, undecided
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.reports import format_number

NAME = "step-size"

STEPS = 30

FACTORS = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4)
"""By which the updates of the optimiser are multiplied."""

FURTHER, MOST = 10.0, 1e12
"""While the largest factor is the best, one so many times as large is tried."""

FAR = 100.0
"""A factor from which on a step is of the wrong size, and not only another one."""

LITTLE = 0.05
"""Of what the best factor gains, what is little, for each power of ten that it has."""

WORTH = 0.2
"""Of the loss at the start, or of what it would be without inputs, what the best factor
must gain to be worth a word: of parameters that are trained there is little to gain."""

RISE, GROWN = 200, 1.5
"""Steps over the second half of which a warm-up makes them so many times as large; what
momentum adds is there sooner."""

LONG = 1e5
"""Steps, of which no warm-up needs more."""

EPSILON = 10.0
"""Times that an update would be larger, had the optimiser no epsilon."""


def step_size(subject: Subject) -> Outcome:
    """Take the same steps with the updates multiplied by powers of ten.

    A learning rate that still rises, as in a warm-up, is not judged, unless it would
    take too long at that pace.

    Args:
        subject: with `optimizer`.
    """
    batches, order = subject.train[:STEPS], subject.order(STEPS)
    before = float(subject.losses(subject.pure.start, batches).mean())

    def gain(factor: float) -> float:
        training, _ = subject.train_on(subject.begin(), order, factor)
        after = float(subject.losses(training.arrays, batches).mean())
        return before - after if np.isfinite(after) else -np.inf

    gains = {factor: gain(factor) for factor in FACTORS}
    best = max(gains, key=lambda factor: gains[factor])
    while max(gains) == best < MOST:
        gains[FURTHER * best] = gain(FURTHER * best)
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
    needed = _warm_up(subject, gains) if best > 1 else None
    if needed is not None:
        said += (
            f"; but the steps still grow, as in a warm-up: after "
            f"{format_number(needed)} they would be large enough"
        )
        if needed <= LONG:
            return undecided(NAME, said, numbers)
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


def _warm_up(subject: Subject, gains: Mapping[float, float]) -> float | None:
    """After how many steps they would be large enough, growing as they do.

    Returns:
        None if they do not grow for long.
    """
    first, second = update_sizes(subject, RISE)[[RISE // 2 - 1, -1]]
    if not second > GROWN * first:
        return None
    best = max(gains.values())
    enough = min(factor for factor, gain in gains.items() if gain > best / 2)
    # The steps that were taken were half of the last on average.
    return enough * STEPS / 2
