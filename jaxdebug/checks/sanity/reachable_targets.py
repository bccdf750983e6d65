"""Whether the outputs can reach the targets at all."""

from __future__ import annotations

import numpy as np

from jaxdebug.checks.outcome import CannotRun, Outcome, judged
from jaxdebug.checks.sanity.initial_loss import before_any_step
from jaxdebug.checks.sanity.known_losses import recognise
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import Finding, found
from jaxdebug.programs.graph import build_graph
from jaxdebug.programs.program import trace
from jaxdebug.programs.ranges.analysis import ranges_of
from jaxdebug.reports import format_number

NAME = "reachable-targets"

ROOM = 1e-3
"""Of the width of the outputs' range, that a target may lie outside."""


def reachable_targets(subject: Subject) -> Outcome:
    """Compare the targets with the range of the outputs, whatever the parameters.

    The range follows from the program: that of a sigmoid is 0 to 1.

    Args:
        subject: with `predict_fn` and `targets` of the outputs' shape, and a loss that
            is a squared or an absolute error of them; or with targets that are classes,
            and a cross entropy.
    """
    value, outputs, targets = before_any_step(subject)
    known = recognise(value, outputs, targets)
    entropy = known is not None and known.form.startswith("cross entropy")
    if (entropy or not np.isfinite(value)) and _may_be_classes(outputs, targets):
        return _classes_reached(value, outputs, targets)
    if known is not None and known.form.endswith("beyond 0 to 1"):
        low, high = float(known.wanted.min()), float(known.wanted.max())
        said = (
            f"targets from {format_number(low)} to {format_number(high)} of a sigmoid "
            "cross entropy, whose outputs stand for probabilities"
        )
        return judged(NAME, said, [found("unreachable-targets", "targets", said)])
    if known is None or "error" not in known.form:
        raise CannotRun("the loss is no squared or absolute error of the outputs")
    program = trace(subject.pure.predict, list(subject.pure.start), subject.batch)
    graph = build_graph(program.jaxpr)
    node = graph.outputs[0]
    if node is None:
        raise CannotRun("the output of `predict_fn` is a constant")
    reach = ranges_of(graph, program.jaxpr.consts, subject.pure.split.moving)[node]
    low, high = float(known.wanted.min()), float(known.wanted.max())
    said = (
        f"targets from {format_number(low)} to {format_number(high)}, outputs "
        f"{_bounds(reach.low, reach.high)}"
    )
    findings: list[Finding] = []
    width = reach.high - reach.low
    room = ROOM * width if np.isfinite(width) else 0.0
    if low < reach.low - room or high > reach.high + room:
        findings.append(found("unreachable-targets", "outputs of predict_fn", said))
    if known.form.startswith("squared error") and _are_classes(targets):
        message = "a squared error of targets that are classes"
        findings.append(found("squared-error-of-classes", "loss", message))
    return judged(NAME, said, findings)


def _may_be_classes(outputs: np.ndarray, targets: np.ndarray) -> bool:
    """Whether targets are numbers of the outputs' last axis."""
    return (
        targets.dtype.kind in "iu"
        and targets.size > 0
        and targets.shape == outputs.shape[:-1]
        and outputs.shape[-1] > 1
    )


def _classes_reached(value: float, outputs: np.ndarray, targets: np.ndarray) -> Outcome:
    """Whether each label has an output."""
    count, most = outputs.shape[-1], int(targets.max())
    said = f"labels up to {most}, outputs of {count} classes"
    if most < count:
        return judged(NAME, said)
    message = (
        f"labels from {int(targets.min())} to {most}, {int((targets >= count).sum())} "
        f"of {targets.size} beyond the {count} classes of the outputs, with a loss of "
        f"{format_number(value)}"
    )
    return judged(NAME, said, [found("labels-out-of-range", "targets", message)])


def _bounds(low: float, high: float) -> str:
    if np.isinf(low) and np.isinf(high):
        return "any number"
    return f"from {format_number(low)} to {format_number(high)}"


def _are_classes(targets: np.ndarray) -> bool:
    """Whether they are integers, or rows with a single one."""
    if targets.dtype.kind in "iub":
        return True
    single = np.isin(targets, (0.0, 1.0)).all() and targets.ndim > 1
    return bool(single and targets.shape[-1] > 1 and (targets.sum(-1) == 1).all())
