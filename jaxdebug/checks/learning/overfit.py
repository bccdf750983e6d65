"""Whether the model can learn one batch, and one example, by heart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np

from jaxdebug.checks.batch_fields import count_rows
from jaxdebug.checks.learning.courses import falls_to, still_falls
from jaxdebug.checks.learning.simple_models import Simple, simple_models
from jaxdebug.checks.outcome import CannotRun, Outcome, judged, undecided
from jaxdebug.checks.sanity.dependence import loss_compares_examples
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.reports import Verdict, format_number

STEPS = 400
"""At most."""

LEARNED, NOTHING = 0.5, 0.02
"""Of the loss that it is compared with: less by so much is learned, or is nothing."""

EXAMPLES = 16
"""Among which one is looked for that has much to learn."""

WORSE = 2.0
"""Times as large a loss as that of a linear model that learns the batch."""


def overfit_one_batch(subject: Subject) -> Outcome:
    """Train on the first batch alone, beside the same batch with its inputs zero.

    What is learned of inputs that are zero is the best constant prediction. A model
    that can use its inputs does far better on a single batch. Where the targets are not
    known, or are zero too, the loss at the start takes its place.

    Args:
        subject: with `optimizer` and `inputs`.
    """
    batch = subject.batch
    blank = subject.blank(batch)
    start = float(subject.losses(subject.pure.start, [batch])[0])
    constant, words = start, "at the start"
    if _keeps_targets(subject, blank):
        value = float(subject.by_heart(blank, STEPS // 2, lambda _: False)[-1])
        # It is not finite where outputs of zero are divided by their norm.
        if np.isfinite(value) or not np.isfinite(start):
            constant, words = value, "the best constant"

    def learned(losses: np.ndarray) -> bool:
        return bool(losses[-1] < constant - LEARNED * abs(constant))

    losses = subject.by_heart(batch, STEPS, learned)
    outcome = _judged("overfit-one-batch", losses, constant, words)
    if outcome.word == Verdict.PASS or not np.isfinite(losses).all():
        return outcome
    if 0 <= constant <= NOTHING * start and losses[-1] <= NOTHING * start:
        raise CannotRun("without `inputs` all of the loss is learned as well")
    return _beside_simple_models(subject, outcome, losses)


def overfit_one_example(subject: Subject) -> Outcome:
    """Train on one example alone, as a batch of copies of it.

    It is that with the median gradient of some: of what is learned already, or does
    not count, nothing can be learned.

    Args:
        subject: with `optimizer`.
    """
    batch = _copies(subject)
    start = float(subject.losses(subject.pure.start, [batch])[0])

    def learned(losses: np.ndarray) -> bool:
        return bool(losses[-1] < start - LEARNED * abs(start))

    losses = subject.by_heart(batch, STEPS, learned)
    outcome = _judged("overfit-one-example", losses, start, "at the start")
    if outcome.word != Verdict.PASS and loss_compares_examples(subject):
        raise CannotRun(
            "the loss compares the examples of a batch, and has nothing to tell of "
            "copies of one"
        )
    return outcome


def _keeps_targets(subject: Subject, blank: Any) -> bool:
    """Whether the targets stand beside the inputs, and are the same without them.

    Of an autoencoder, or of tokens that are shifted by the loss, they are the inputs.
    """
    try:
        pair = [subject.pick(batch, "targets") for batch in (subject.batch, blank)]
    except CannotRun:
        return False
    leaves = zip(*map(jax.tree.leaves, pair), strict=True)
    return all(np.array_equal(*both) for both in leaves)


def _copies(subject: Subject) -> Any:
    """Of some examples that with the median gradient, in place of all.

    Those with a small one are near the least that their loss can be; the largest may
    take steps that are meant for the mean of a batch too far.
    """
    start, batch = list(subject.pure.start), subject.batch
    rows = min(count_rows(batch), EXAMPLES)
    losses, sizes = [], []
    for row in range(rows):
        loss, gradient = subject.value_and_gradient(start, subject.of_one(batch, row))
        losses.append(float(loss))
        sizes.append(sum(float(np.square(np.float64(x)).sum()) for x in gradient))
    if not any(losses) and not any(sizes):
        raise CannotRun("the loss of each of the first examples is 0: none to learn")
    moved = [row for row in np.argsort(sizes) if sizes[row] > 0] or [0]
    return subject.of_one(batch, int(moved[len(moved) // 2]))


def _beside_simple_models(
    subject: Subject, outcome: Outcome, losses: np.ndarray
) -> Outcome:
    """What simple models make of the batch tells a mistake from a lack of units."""
    try:
        models = simple_models(subject)
    except CannotRun as missing:
        return replace(outcome, said=f"{outcome.said}; no linear model: {missing}")
    line, last = models[0], models[-1]
    own = sum(leaf.size for leaf in subject.pure.trained(subject.pure.start))
    said = f"{outcome.said}; {_said(last, own)}"
    numbers = {**outcome.numbers, "linear": line.value, "units": last.units}
    if outcome.findings:
        finding = found("cannot-overfit", "the first batch", said)
        return judged(outcome.name, said, [finding], numbers)
    constant = outcome.numbers["compared"]
    learned = constant - LEARNED * abs(constant)
    worse = losses[-1] > WORSE * line.value and not falls_to(losses, learned)
    if line.learns and worse:
        finding = found("worse-than-linear", "the first batch", said, evidence=numbers)
        return judged(outcome.name, said, [finding], numbers)
    return undecided(outcome.name, said, numbers)


def _said(model: Simple, own: int) -> str:
    loss, enough = format_number(model.value), "it is no lack of units"
    if not model.learns:
        return f"a model of {model.units} hidden units comes to {loss}"
    if not model.units:
        return f"a linear model of the inputs learns it to {loss}: {enough}"
    many = f"a model of {model.units} hidden units, {model.parameters:,} parameters,"
    if own >= model.parameters:
        return f"{many} learns it to {loss}: {enough}"
    return f"{many} learns it to {loss}; this one has {own:,}: it may lack units"


def _judged(name: str, losses: np.ndarray, compared: float, words: str) -> Outcome:
    last = float(losses[-1])
    share = (compared - last) / (abs(compared) or 1.0)
    said = (
        f"loss {format_number(last)} after {losses.size} steps, {words} "
        f"{format_number(compared)}"
    )
    numbers = {"loss": last, "compared": compared, "steps": int(losses.size)}
    numbers |= {"losses": losses.tolist()}
    if not np.isfinite(losses).all():
        return judged(name, said, [_finding(name, f"{said}: not finite")], numbers)
    if share >= LEARNED:
        return judged(name, said, (), numbers)
    if share > NOTHING:
        return undecided(name, f"{said}: learned, but not to the end", numbers)
    if still_falls(losses):
        return undecided(name, f"{said}: still falling; more steps would tell", numbers)
    return judged(name, said, [_finding(name, said)], numbers)


def _finding(name: str, said: str) -> Any:
    where = "the first batch" if name.endswith("batch") else "one example"
    return found("cannot-overfit", where, said)
