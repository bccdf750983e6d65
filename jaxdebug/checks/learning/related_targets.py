"""Whether what is learned of some examples says anything of others."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.batch_fields import count_rows
from jaxdebug.checks.learning.courses import Difference, difference
from jaxdebug.checks.learning.distance_correlation import chance_of_dependence
from jaxdebug.checks.outcome import CannotRun, Outcome, judged, undecided
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

CARRIED = 0.1
"""Of what batches that were trained on gain, what new ones gain of targets that are
related."""

CHANCE = 0.005
"""With which inputs and targets that are unrelated seem to depend on each other."""

EXAMPLES = 512
"""At most, of which inputs and targets are compared without a model."""

NAME = "related-targets"


def related_targets(subject: Subject) -> Outcome:
    """Compare the loss of batches that are new to the model with what chance makes.

    That is the loss of a training without inputs, and of one with shuffled targets; the
    lower counts. In a first pass each batch is new when its loss is taken. Where that
    does not tell, the evaluation batches are looked at after each of more passes, until
    a few training batches are known by heart. Targets are called unrelated only if
    hardly anything of that helps with new ones, and inputs and targets seem independent
    without a model.

    Args:
        subject: with `optimizer`, `inputs` and `targets`; with `eval` too if there are
            few training batches.
    """
    batches = subject.train
    if count_rows(subject.batch) * len(batches) < 2:
        # Its targets, shuffled, are its own: nothing could be called related.
        raise CannotRun("one example to train on has no others to take targets of")
    blank = [subject.blank(batch) for batch in batches]
    _, losses = subject.train_on(subject.begin(), batches)
    _, constants = subject.train_on(subject.begin(), blank)
    shuffled = _shuffled(subject, batches)
    _, mixed = subject.train_on(subject.begin(), shuffled)
    late = slice(len(batches) // 2, None)
    better = _gain(losses[late], constants[late], mixed[late])
    said = _said(losses[late], constants[late], mixed[late], "batches not seen before")
    numbers = {"better": better.mean, "error": better.error}
    if len(batches) >= ENOUGH and better.is_positive:
        return judged(NAME, said, (), numbers)
    if subject.workload.eval is None:
        return undecided(NAME, f"{said}; give `eval`, and more is tried", numbers)

    tried = _several_passes(subject, shuffled[:FEW])
    better = tried.better
    said = _said(tried.own, tried.constant, tried.mixed, "evaluation batches")
    numbers = {"better": better.mean, "error": better.error}
    if tried.tells:
        return judged(NAME, said, (), numbers)
    if not tried.by_heart.is_likely:
        return undecided(NAME, f"{said}: too few steps to tell", numbers)
    if better.most > CARRIED * tried.by_heart.mean:
        return undecided(NAME, f"{said}: too few examples to tell", numbers)
    if (chance := _chance(subject)) < CHANCE:
        why = "nothing of it was learned, but inputs and targets depend on each other"
        return undecided(NAME, f"{said}: {why}", {**numbers, "chance": chance})
    finding = found("targets-unrelated", "targets", said, evidence=numbers)
    return judged(NAME, said, [finding], numbers)


class Tried(NamedTuple):
    """Losses of the evaluation batches when they were best predicted."""

    own: np.ndarray
    """By a training on batches as they are."""
    constant: np.ndarray
    """By one with inputs of zero, of inputs of zero."""
    mixed: np.ndarray
    """By one with shuffled targets."""
    by_heart: Difference
    """By how much the batches that were trained on were better known, then or in the
    end."""

    @property
    def better(self) -> Difference:
        """By how much inputs and their targets helped."""
        return _gain(self.own, self.constant, self.mixed)

    @property
    def tells(self) -> bool:
        """Whether what was learned says something of new examples."""
        worth = self.better.mean > CARRIED * self.by_heart.mean
        return self.better.is_positive and worth


def _several_passes(subject: Subject, shuffled: list[Any]) -> Tried:
    batches, held_out = subject.train[:FEW], subject.held_out
    blank = [subject.blank(batch) for batch in batches]
    blank_held_out = [subject.blank(batch) for batch in held_out]
    training, constant, mixed = [subject.begin() for _ in range(3)]
    best = tried = None
    taken = 0
    while (
        tried is None
        or taken < STEPS
        or (not tried.by_heart.is_likely and taken < MOST)
    ):
        taken += len(batches)
        training, _ = subject.train_on(training, batches)
        constant, _ = subject.train_on(constant, blank)
        mixed, _ = subject.train_on(mixed, shuffled)
        tried = Tried(
            subject.evaluation_losses(training.arrays, held_out),
            subject.evaluation_losses(constant.arrays, blank_held_out),
            subject.evaluation_losses(mixed.arrays, held_out),
            difference(
                subject.losses(constant.arrays, blank),
                subject.losses(training.arrays, batches),
            ),
        )
        if best is None or tried.better.mean > best.better.mean:
            best = tried
        if tried.tells:
            return tried
    assert best is not None
    return best._replace(by_heart=tried.by_heart)


def _chance(subject: Subject) -> float:
    """That inputs and targets of the first examples seem so dependent by chance."""
    rows, sides = 0, []
    for batch in subject.train:
        if rows >= EXAMPLES:
            break
        sides.append(
            [jax.tree.leaves(subject.pick(batch, x)) for x in ("inputs", "targets")]
        )
        rows += len(sides[-1][1][0])
    first, second = [
        [np.concatenate(parts)[:EXAMPLES] for parts in zip(*side, strict=True)]
        for side in zip(*sides, strict=True)
    ]
    return chance_of_dependence(first, second, subject.seed)


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


def _gain(own: np.ndarray, constant: np.ndarray, mixed: np.ndarray) -> Difference:
    """By how much a loss is below the lower of two others.

    Inputs of zero may be worse than none: behind zeros a convolution sees its edges.
    """
    return difference(min(constant, mixed, key=np.mean), own)


def _said(own: np.ndarray, constant: np.ndarray, mixed: np.ndarray, what: str) -> str:
    means = [format_number(float(each.mean())) for each in (own, constant, mixed)]
    return (
        f"loss {means[0]} of {own.size} {what}, {means[1]} with inputs of zero, "
        f"{means[2]} with shuffled targets"
    )
