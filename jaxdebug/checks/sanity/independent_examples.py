"""Whether what is predicted of an example depends on the others of its batch."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.batch_fields import count_rows
from jaxdebug.checks.graph_batches import tied_rows
from jaxdebug.checks.outcome import CannotRun, Outcome, judged, undecided
from jaxdebug.checks.running_averages import running_averages
from jaxdebug.checks.sanity.dependence import (
    differing,
    exchanged,
    loss_compares_examples,
    row_leaves,
    tainted,
)
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import Severity, found

NAME = "independent-examples"


def independent_examples(subject: Subject) -> Outcome:
    """Change one example: by its derivative, by NaN, by another one in its place.

    Without outputs the loss alone can pass: as a sum over halves of the batch.

    Args:
        subject: with `predict_fn` and `inputs`.
    """
    if subject.workload.predict_fn is None:
        return _by_the_loss(subject)
    batch = subject.batch
    rows = count_rows(subject.pick(batch, "inputs"))
    if rows < 2:
        raise CannotRun("give batches of two examples or more")
    start = subject.pure.start
    outputs = subject.predict(start, batch)
    numbers = row_leaves(outputs, 1, (rows,))
    if not numbers:
        raise CannotRun(
            f"expected outputs of `predict_fn` with {rows} rows, one an example"
        )
    whole = jax.tree.leaves(outputs)

    def others(batch: Any) -> int:
        new = jax.tree.leaves(subject.predict(start, batch))
        apart = np.zeros(rows, bool)
        for number in numbers:
            apart |= differing(whole[number], new[number]).reshape(rows, -1).any(1)
        return int(apart[1:].sum())

    moved = int(_derivative(subject, batch, rows, numbers)[1:].sum())
    share = max(others(exchanged(subject, batch, 0, 1)), moved)
    said = f"{share} of {rows - 1} other examples change with the first"
    if not share:
        reached = others(tainted(subject, batch, 0, 1))
        if reached:
            words = f"NaN in the first example reaches {reached} others"
            low = found(
                "mixed-examples",
                "outputs of predict_fn",
                words,
                severity=Severity.INFO,
                remedies=("Select with `where` in place of a product with zero.",),
            )
            return judged(NAME, f"{said}; {words}", [low])
        return judged(NAME, said, (), {"changed": share, "rows": rows})
    if running_averages(subject):
        return undecided(
            NAME,
            f"{said}; running averages change too, as in batch normalisation that "
            "trains: give a `predict_fn` in evaluation mode",
        )
    if why := tied_rows(batch):
        return undecided(NAME, f"{said}; {why}")
    evidence = {"changed": share, "rows": rows}
    finding = found("mixed-examples", "outputs of predict_fn", said, evidence=evidence)
    return judged(NAME, said, [finding], evidence)


def _by_the_loss(subject: Subject) -> Outcome:
    if count_rows(subject.batch) < 2:
        raise CannotRun("give batches of two examples or more")
    if loss_compares_examples(subject):
        why = "it compares them, or the model mixes them: give `predict_fn`"
        return undecided(NAME, f"the loss is no sum over halves of the batch: {why}")
    return judged(NAME, "the loss is a sum over both halves of the batch")


def _derivative(
    subject: Subject, batch: Any, rows: int, numbers: list[int]
) -> np.ndarray:
    """Which rows of the outputs move when the first example's numbers do."""
    inputs = subject.pick(batch, "inputs")
    leaves, tree = jax.tree.flatten(inputs)
    moving = [i for i, x in enumerate(leaves) if jnp.issubdtype(x.dtype, jnp.floating)]
    if not moving:
        return np.zeros(rows, bool)
    random = np.random.default_rng(subject.seed)

    @jax.jit
    def moved(values: Any, tangents: Any) -> Any:
        def outputs(values: Any) -> Any:
            every = [*leaves]
            for place, value in zip(moving, values, strict=True):
                every[place] = value
            changed = subject.put(batch, "inputs", jax.tree.unflatten(tree, every))
            found = jax.tree.leaves(subject.pure.predict(subject.pure.start, changed))
            floating = (found[number] for number in numbers)
            return [x for x in floating if jnp.issubdtype(x.dtype, jnp.floating)]

        return jax.jvp(outputs, (values,), (tangents,))[1]

    def first_only(leaf: Any) -> Any:
        drawn = np.zeros(leaf.shape)
        drawn[0] = random.normal(size=leaf.shape[1:])
        return jnp.asarray(drawn, leaf.dtype)

    values = [leaves[place] for place in moving]
    tangents = moved(values, [first_only(leaf) for leaf in values])
    # A derivative that is infinite makes NaN even of no move at all.
    unmoved = moved(values, [jnp.zeros_like(leaf) for leaf in values])
    changed = np.zeros(rows, bool)
    for tangent, still in zip(tangents, unmoved, strict=True):
        moves = np.asarray(tangent, np.float64).reshape(rows, -1)
        moves[np.isnan(np.asarray(still, np.float64)).reshape(rows, -1)] = 0.0
        own = float(np.abs(moves[0]).max(initial=0.0))
        changed |= ~(np.abs(moves).max(1, initial=0.0) <= 1e-5 * own)
    return changed
