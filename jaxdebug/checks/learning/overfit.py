"""Whether the model can learn one batch, and one example, by heart."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.batch_fields import map_rows
from jaxdebug.checks.learning.courses import still_falls
from jaxdebug.checks.outcome import Outcome, judged, undecided
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.reports import format_number

STEPS = 400
"""At most."""

LEARNED, NOTHING = 0.5, 0.02
"""Of the loss that it is compared with: less by so much is learned, or is nothing."""


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
    return _judged("overfit-one-batch", losses, constant, "the best constant")


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
