"""Whether the model can learn one batch, and one example, by heart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.batch_fields import map_rows
from jaxdebug.checks.learning.courses import falls_to, still_falls
from jaxdebug.checks.learning.simple_models import Simple, simple_models
from jaxdebug.checks.outcome import CannotRun, Outcome, judged, undecided
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.reports import Verdict, format_number

STEPS = 400
"""At most."""

LEARNED, NOTHING = 0.5, 0.02
"""Of the loss that it is compared with: less by so much is learned, or is nothing."""

WORSE = 2.0
"""Times as large a loss as that of a linear model that learns the batch."""


def overfit_one_batch(subject: Subject) -> Outcome:
    """Train on the first batch alone, beside the same batch with its inputs zero.

    What is learned of inputs that are zero is the best constant prediction. A model
    that can use its inputs does far better on a single batch.

    Args:
        subject: with `optimizer` and `inputs`.
    """
    batch = subject.batch
    blank = subject.blank(batch)
    constant = float(subject.by_heart(blank, STEPS // 2, lambda _: False)[-1])

    def learned(losses: np.ndarray) -> bool:
        return bool(losses[-1] < constant - LEARNED * abs(constant))

    losses = subject.by_heart(batch, STEPS, learned)
    outcome = _judged("overfit-one-batch", losses, constant, "the best constant")
    if outcome.word == Verdict.PASS or not np.isfinite(losses).all():
        return outcome
    return _beside_simple_models(subject, outcome, losses)


def overfit_one_example(subject: Subject) -> Outcome:
    """Train on the first example alone, as a batch of copies of it.

    Args:
        subject: with `optimizer`.
    """
    batch = map_rows(subject.batch, lambda leaf: jnp.broadcast_to(leaf[:1], leaf.shape))
    start = float(subject.losses(subject.pure.start, [batch])[0])

    def learned(losses: np.ndarray) -> bool:
        return bool(losses[-1] < start - LEARNED * abs(start))

    losses = subject.by_heart(batch, STEPS, learned)
    return _judged("overfit-one-example", losses, start, "at the start")


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
    where = "the first batch" if name.endswith("batch") else "the first example"
    return found("cannot-overfit", where, said)
