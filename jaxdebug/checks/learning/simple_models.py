"""What simple models of the inputs make of the first batch: a line, then some units."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from jaxdebug.checks.outcome import CannotRun
from jaxdebug.checks.sanity.initial_loss import before_any_step
from jaxdebug.checks.sanity.known_losses import KnownLoss, recognise
from jaxdebug.checks.subject import Subject

UNITS = (0, 4, 16, 64, 256)
"""In the hidden layer of each model; the first has none and is linear."""

ENOUGH = 0.9
"""Of the best constant's loss, that a model takes away which has learned the batch."""

SCALES = 10.0 ** np.arange(-1, 4)
"""Of logits: a regression onto zeros and ones leaves them too small."""


class Simple(NamedTuple):
    """A simple model that was fitted to the batch.

    Attributes:
        units: in its hidden layer.
        parameters: weights and biases in all.
        value: its loss of the batch, as the workload computes it.
        share: of the best constant's loss that it takes away.
    """

    units: int
    parameters: int
    value: float
    share: float

    @property
    def learns(self) -> bool:
        """Whether it knows the batch."""
        return self.share >= ENOUGH


def simple_models(subject: Subject) -> list[Simple]:
    """Models of the inputs, up to the first that learns the batch.

    The hidden units are drawn at random and the rest is fitted by least squares (Huang,
    Zhu and Siew, "Extreme learning machine", Neurocomputing 2006, section 2): the best
    model of so many units is as good or better.

    Args:
        subject: with `predict_fn`, `inputs` and `targets`, and a loss whose best
            constant is known.

    Raises:
        CannotRun: if the loss is none of these, or the inputs are no numbers.
    """
    loss, outputs, targets = before_any_step(subject)
    known = recognise(loss, outputs, targets)
    if known is None or not np.isfinite(known.constant):
        raise CannotRun("the loss is none whose best constant is known")
    leaves = jax.tree.leaves(subject.pick(subject.batch, "inputs"))
    rows = outputs.shape[0] if outputs.ndim else 0
    if any(x.dtype.kind != "f" or x.shape[:1] != (rows,) for x in leaves) or not rows:
        raise CannotRun("expected inputs of floating dtypes, a row an example")
    columns = [np.asarray(leaf, np.float64).reshape(rows, -1) for leaf in leaves]
    inputs = np.concatenate(columns, 1)
    random = np.random.default_rng(subject.seed)
    found: list[Simple] = []
    for units in UNITS:
        found.append(_fitted(known, outputs.shape, inputs, units, random))
        if found[-1].learns:
            break
    return found


def _fitted(
    known: KnownLoss,
    shape: tuple[int, ...],
    inputs: Float[np.ndarray, "rows features"],
    units: int,
    random: np.random.Generator,
) -> Simple:
    rows, width = inputs.shape
    features = inputs
    if units:
        spread = inputs.std(0)
        plain = (inputs - inputs.mean(0)) / np.where(spread > 0, spread, 1.0)
        drawn = random.normal(size=(width, units)) / width**0.5
        features = np.tanh(plain @ drawn + random.normal(size=units))
    features = np.concatenate([features, np.ones((rows, 1))], 1)
    centre = 0.5 if known.form == "sigmoid cross entropy" else 0.0
    wanted = known.wanted.reshape(rows, -1) - centre
    weights = np.linalg.lstsq(features, wanted, rcond=None)[0]
    outputs = (features @ weights).reshape(shape)
    scales = SCALES if "entropy" in known.form else [1.0]
    value = min(known.of(scale * outputs) for scale in scales)
    share = 1 - value / known.constant if known.constant else 0.0
    return Simple(units, units * (width + 1) + weights.size, value, share)
