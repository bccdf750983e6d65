"""The data of a workload, as `check_data` sees them."""

from __future__ import annotations

from collections.abc import Iterator

import jax

from jaxdebug.checks.batch_fields import pick
from jaxdebug.checks.data.check_data import DECLARATIONS, check_data
from jaxdebug.checks.outcome import CannotRun
from jaxdebug.checks.outcome_report import OutcomeReport
from jaxdebug.checks.sanity.initial_loss import before_any_step
from jaxdebug.checks.sanity.known_losses import recognise
from jaxdebug.checks.subject import Subject
from jaxdebug.programs.graph import Graph, Step, build_graph
from jaxdebug.programs.primitives import CONTRACTIONS, RESHAPING, UNCHANGED

ROWS = 200_000
"""Of each split; `check_data` itself reads all."""

ROOM = 10
"""Of so many classes one may be without labels in the first batch."""

NORMAL = frozenset({"reduce_sum", "reduce_max", "reduce_min"})
MOVING = RESHAPING | UNCHANGED | {"transpose", "rev"}


def data(subject: Subject) -> OutcomeReport:
    """Look at all splits.

    Args:
        subject: any.
    """
    workload, layer = subject.workload, first_layer(subject)
    try:
        return check_data(
            workload.train,
            workload.eval,
            workload.test,
            inputs=workload.inputs,
            targets=workload.targets,
            num_classes=class_count(subject),
            first_layer=layer,
            declare=[word for word in workload.declare if word in DECLARATIONS],
            skip=("transform",),  # A workload has batches, not what made them.
            rows=ROWS,
            seed=subject.seed,
            name=workload.name,
        )
    except (TypeError, ValueError) as error:
        # Batches that are no tables of examples; what cannot be read at all, `calls`
        # has found.
        raise CannotRun(str(error)) from error


def class_count(subject: Subject) -> int | None:
    """How many classes the outputs have, where the loss is a cross entropy of labels.

    Returns:
        None where it is none of these, or not known, and where so many classes are
        beyond the largest label that they are room for others.
    """
    try:
        value, outputs, targets = before_any_step(subject)
    except Exception:  # of the user's functions: the checks that need them say so
        return None
    known = recognise(value, outputs, targets)
    labels = targets.ndim == 1 and targets.dtype.kind in "iu"
    if known is None or not labels or not known.form.startswith("cross entropy"):
        return None
    count = outputs.shape[-1]
    room = count - 1 - int(targets.max())
    return count if room <= max(1, count // ROOM) else None


def first_layer(subject: Subject) -> str | None:
    """What the loss does first with the inputs, read off its program.

    Returns:
        `"linear"`, `"normalization"`, `"embedding"`, or None where it is none of them,
        or several.
    """
    pure, batch = subject.pure, subject.batch
    try:
        wanted = jax.tree.leaves(pick(batch, "inputs", subject.workload.inputs))
    except CannotRun:
        return None
    # A function of the batch may make other arrays of it than its leaves.
    places = {id(leaf): at for at, leaf in enumerate(jax.tree.leaves(batch))}
    if not all(id(one) in places for one in wanted):
        return None

    try:
        graph = build_graph(subject.program.jaxpr)
    except Exception:  # of the user's loss: `calls` says so, and data are data
        return None
    nodes = [graph.inputs[len(pure.start) + places[id(one)]] for one in wanted]
    kinds = {_kind(step) for node in nodes for step in _first_steps(graph, node)}
    return kinds.pop() if len(kinds) == 1 else None


def _first_steps(graph: Graph, node: int) -> Iterator[Step]:
    """Equations that compute something of a node, not only move it."""
    queue, seen = [node], {node}
    while queue:
        current = queue.pop()
        onward = [*graph.feeds.get(current, ())]
        for step in graph.readers.get(current, ()):
            if step.equation.primitive in MOVING:
                onward += step.results
            elif not step.opened:
                yield step
        queue += [one for one in onward if one not in seen]
        seen.update(onward)


def _kind(step: Step) -> str | None:
    name = step.equation.primitive
    if name in CONTRACTIONS:
        return "linear"
    if name == "gather":
        return "embedding"
    return "normalization" if name in NORMAL else None
