"""Whether a causal model looks ahead: outputs that depend on later inputs."""

from __future__ import annotations

import jax
import numpy as np

from jaxdebug.checks.batch_fields import pick
from jaxdebug.checks.outcome import CannotRun, Outcome, judged
from jaxdebug.checks.sanity.dependence import differing, exchanged, row_leaves
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found

NAME = "time-leakage"
POSITIONS = 8
"""From which on the inputs are changed, at most."""


def time_leakage(subject: Subject) -> Outcome:
    """Change all inputs from some position on, and look at the outputs before it.

    Outputs at positions that do not count are left out: a padded position that may look
    at nothing looks at everything, and nobody minds.

    Args:
        subject: with `predict_fn` and `inputs` whose second axis is time, and a model
            that is declared causal.
    """
    if "causal" not in subject.workload.declare:
        raise CannotRun("give `declare=('causal',)` if outputs must not look ahead")
    batch, start = subject.batch, subject.pure.start
    shapes = [leaf.shape for leaf in jax.tree.leaves(subject.pick(batch, "inputs"))]
    shapes = [shape for shape in shapes if len(shape) > 1]
    if not shapes or shapes[0][1] < 2:
        raise CannotRun("expected inputs whose second axis is time")
    outputs = jax.tree.leaves(subject.predict(start, batch))
    numbers = row_leaves(outputs, 2, shapes[0])
    if not numbers:
        raise CannotRun(
            f"expected outputs of `predict_fn` of shape {shapes[0][:2]} and more, one "
            "an example and position"
        )
    counted = _counted(subject, shapes[0][:2])
    length = shapes[0][1]
    positions = np.unique(np.linspace(1, length - 1, POSITIONS).astype(int))
    ahead, first = 0, None
    for position in positions.tolist():
        where = (slice(None), slice(position, None))
        other = exchanged(subject, batch, where, 2)
        new = jax.tree.leaves(subject.predict(start, other))
        for number in numbers:
            apart = differing(outputs[number], new[number])
            apart = apart.reshape(*apart.shape[:2], -1).any(2) & counted
            seen = np.any(apart, 0)[:position]
            if seen.any() and position - int(seen.argmax()) > ahead:
                ahead, first = position - int(seen.argmax()), int(seen.argmax())
    said = f"inputs changed from {len(positions)} positions on, of {length}"
    if not ahead:
        return judged(NAME, f"{said}: no output before them changes", (), {})
    evidence = {"output": first, "input": (first or 0) + ahead, "length": length}
    words = (
        f"the output at position {first} depends on the inputs from position "
        f"{evidence['input']} on"
    )
    finding = found("looks-ahead", "outputs of predict_fn", words, evidence=evidence)
    return judged(NAME, f"{said}: {words}", [finding], evidence)


def _counted(subject: Subject, shape: tuple[int, ...]) -> np.ndarray:
    """Where the mask of the first batch counts; everywhere, if it has other axes."""
    if subject.workload.mask is not None:
        mask = np.asarray(pick(subject.batch, "mask", subject.workload.mask))
        if mask.shape == shape:
            return mask != 0
    return np.ones(shape, bool)
