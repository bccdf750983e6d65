"""Whether what is learned of some examples says anything of others."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.learning.courses import difference
from jaxdebug.checks.outcome import Outcome, judged, undecided
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.reports import format_number

ENOUGH = 16
"""Batches whose losses can be compared."""

FEW = 8
"""Batches that are soon learned by heart."""

STEPS, MOST = 400, 1600
"""Where batches are gone through again and again: so many, and until they are learned
by heart, at most so many."""

BY_HEART = 2.0
"""Standard errors by which batches that were trained on must be better than without
inputs, to say that they were learned."""

NAME = "related-targets"


def related_targets(subject: Subject) -> Outcome:
    """Compare the loss of batches that are new to the model with that of a constant.

    In a first pass each batch is new when its loss is taken. Where that does not tell,
    the evaluation batches are looked at after each of more passes.

    Args:
        subject: with `optimizer`, `inputs` and `targets`; with `eval` too if there are
            few training batches.
    """
    batches = subject.train
    blank = [subject.blank(batch) for batch in batches]
    _, losses = subject.train_on(subject.begin(), batches)
    _, constants = subject.train_on(subject.begin(), blank)
    late = slice(len(batches) // 2, None)
    better = difference(constants[late], losses[late])
    said = _said(losses[late], constants[late], "batches not seen before")
    numbers = {"better": better.mean, "error": better.error}
    if len(batches) >= ENOUGH and better.is_positive:
        return judged(NAME, said, (), numbers)
    if subject.workload.eval is None:
        return undecided(NAME, f"{said}; give `eval`, and more is tried", numbers)

    held_out = subject.held_out
    blank_held_out = [subject.blank(batch) for batch in held_out]
    shuffled = _shuffled(subject, batches)[:FEW]
    batches, blank = batches[:FEW], blank[:FEW]
    training, constant, mixed = [subject.begin() for _ in range(3)]
    least: list[np.ndarray] = []
    learned, taken = False, 0
    while taken < STEPS or (not learned and taken < MOST):
        taken += len(batches)
        training, _ = subject.train_on(training, batches)
        constant, _ = subject.train_on(constant, blank)
        mixed, _ = subject.train_on(mixed, shuffled)
        found_losses = [
            subject.evaluation_losses(training.arrays, held_out),
            subject.evaluation_losses(constant.arrays, blank_held_out),
            subject.evaluation_losses(mixed.arrays, held_out),
        ]
        better = difference(found_losses[1], found_losses[0])
        if not least or better.mean > difference(least[1], least[0]).mean:
            least = found_losses
        if better.is_positive:
            break
        if taken >= STEPS:
            own = difference(
                subject.losses(constant.arrays, blank),
                subject.losses(training.arrays, batches),
            )
            learned = own.mean > BY_HEART * own.error
    said = _said(least[0], least[1], "evaluation batches")
    better = difference(least[1], least[0])
    numbers = {"better": better.mean, "error": better.error}
    if better.is_positive:
        return judged(NAME, said, (), numbers)
    if difference(least[2], least[0]).is_positive or not learned:
        return undecided(NAME, f"{said}: too few steps to tell", numbers)
    finding = found("targets-unrelated", "targets", said, evidence=numbers)
    return judged(NAME, said, [finding], numbers)


def _shuffled(subject: Subject, batches: list[Any]) -> list[Any]:
    """The batches with targets shuffled over the examples of all of them."""
    targets = [subject.pick(batch, "targets") for batch in batches]
    rows = jax.tree.leaves(targets[0])[0].shape[0]
    random = np.random.default_rng(subject.seed)
    order = random.permutation(rows * len(batches)).reshape(len(batches), rows)

    every = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *targets)

    def at(places: np.ndarray) -> Any:
        return jax.tree.map(lambda leaf: leaf[places], every)

    return [
        subject.put(batch, "targets", at(places))
        for batch, places in zip(batches, order, strict=True)
    ]


def _said(losses: np.ndarray, constants: np.ndarray, what: str) -> str:
    return (
        f"loss {format_number(float(losses.mean()))} of {losses.size} {what}, "
        f"{format_number(float(constants.mean()))} with inputs of zero"
    )
