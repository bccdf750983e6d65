"""What a linear model of the inputs makes of the first batch."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

from jaxdebug.checks.outcome import CannotRun
from jaxdebug.checks.sanity.initial_loss import before_any_step
from jaxdebug.checks.sanity.known_losses import recognise
from jaxdebug.checks.subject import Subject

SCALES = 10.0 ** np.arange(-1, 4)
"""Of logits: a regression onto zeros and ones leaves them too small."""


class Line(NamedTuple):
    """A linear model.

    Attributes:
        value: its loss of the batch, as the workload computes it.
        share: of the best constant's loss that it takes away.
    """

    value: float
    share: float


def linear_loss(subject: Subject) -> Line:
    """The loss of a linear regression of the targets on the inputs.

    It is fitted by least squares: the best linear model is as good or better.

    Args:
        subject: with `predict_fn`, `inputs` and `targets`, and a loss whose best
            constant is known.

    Raises:
        CannotRun: if the loss is none of these, or the inputs are no numbers.
    """
    loss, outputs, targets = before_any_step(subject)
    known = recognise(loss, outputs, targets)
    if known is None:
        raise CannotRun("the loss is none whose best constant is known")
    leaves = jax.tree.leaves(subject.pick(subject.batch, "inputs"))
    rows = outputs.shape[0] if outputs.ndim else 0
    if any(x.dtype.kind != "f" or x.shape[:1] != (rows,) for x in leaves) or not rows:
        raise CannotRun("expected inputs of floating dtypes, a row an example")
    columns = [np.asarray(leaf, np.float64).reshape(rows, -1) for leaf in leaves]
    inputs = np.concatenate([*columns, np.ones((rows, 1))], 1)
    centre = 0.5 if known.form == "sigmoid cross entropy" else 0.0
    flat = known.wanted.reshape(rows, -1) - centre
    weights = np.linalg.lstsq(inputs, flat, rcond=None)[0]
    fitted = (inputs @ weights).reshape(outputs.shape)
    scales = SCALES if "entropy" in known.form else [1.0]
    value = min(known.of(scale * fitted) for scale in scales)
    return Line(value, 1 - value / known.constant if known.constant else 0.0)
