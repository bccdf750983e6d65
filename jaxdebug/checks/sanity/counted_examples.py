"""Whether every example of a batch counts in the gradient."""

from __future__ import annotations

import jax
import numpy as np

from jaxdebug.checks.batch_fields import count_rows, map_rows
from jaxdebug.checks.outcome import CannotRun, Outcome, judged, undecided
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found

NAME = "counted-examples"

EXAMPLES = 32
"""That are replaced, at most."""

LEAST = 4
"""Examples that could be replaced, from which on a share says something."""

COUNTED = 0.5
"""Of the examples, less than this is few."""


def counted_examples(subject: Subject) -> Outcome:
    """Put another example in the place of each, one at a time, and take the gradient.

    The other one has another target: where a model is still deaf to its inputs, that
    of two examples with one target is the same.

    Args:
        subject: with `targets`, and batches of two examples or more.
    """
    start, batch = list(subject.pure.start), subject.batch
    rows = count_rows(batch)
    wanted = [
        np.asarray(leaf)
        for leaf in jax.tree.leaves(subject.pick(batch, "targets"))
        if leaf.ndim and leaf.shape[0] == rows
    ]
    if not wanted:
        raise CannotRun("expected targets with a row for each example")

    def gradient(row: int, other: int) -> list[np.ndarray]:
        changed = map_rows(batch, lambda x: x.at[row].set(x[other]))
        return [*map(np.asarray, subject.value_and_gradient(start, changed)[1])]

    own = gradient(0, 0)
    if not all(np.isfinite(leaf).all() for leaf in own) or not any(map(np.any, own)):
        return undecided(NAME, "the gradient is zero, or not finite")
    replaced = counted = 0
    for row in np.unique(np.linspace(0, rows - 1, EXAMPLES).astype(int)).tolist():
        other = _unlike(wanted, row)
        if other is not None:
            replaced += 1
            counted += not all(map(np.array_equal, own, gradient(row, other)))
    said = f"{counted} of {replaced} examples change the gradient, when replaced"
    numbers = {"counted": counted, "replaced": replaced}
    if replaced < LEAST:
        return undecided(NAME, f"{said}: too few have targets of their own", numbers)
    findings = []
    if counted < COUNTED * replaced:
        findings.append(found("uncounted-examples", "loss", said, evidence=numbers))
    return judged(NAME, said, findings, numbers)


def _unlike(targets: list[np.ndarray], row: int) -> int | None:
    """The next example with another target."""
    rows = len(targets[0])
    for step in range(1, rows):
        other = (row + step) % rows
        if any((leaf[other] != leaf[row]).any() for leaf in targets):
            return other
    return None
