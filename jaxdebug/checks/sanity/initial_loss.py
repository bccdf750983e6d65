"""The loss before any step, beside that of the best constant prediction."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdebug.checks.batch_fields import count_rows
from jaxdebug.checks.outcome import CannotRun, Outcome, judged
from jaxdebug.checks.running_averages import running_averages
from jaxdebug.checks.sanity.known_losses import recognise
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.reports import format_number

FAR = 10.0
"""So many times the constant's loss, or the targets' size, is far."""

CLASSES_FAR, NATS = 2.0, 2.0
"""The same of a cross entropy, beside that of equal probabilities, and so much more
than it: a fresh head on trained layers begins with logits that are apart by about 2."""

EXAMPLES = 64
"""Over which the best constant is taken; of a single one it would be its target."""


def initial_loss(subject: Subject) -> Outcome:
    """Compare the first loss with the best that one and the same answer comes to.

    Args:
        subject: with `predict_fn` and `targets`, and a loss that is a cross entropy, a
            squared or an absolute error of them.
    """
    value, outputs, targets = before_any_step(subject)
    start, batches = subject.pure.start, _enough(subject)
    if not np.isfinite(value):
        finding = found("nonfinite-loss", "loss", f"it is {value} before any step")
        return judged("initial-loss", f"loss {value}", [finding])
    known = recognise(value, outputs, targets)
    if known is None and (turned := _turned(subject)):
        said = f"loss {format_number(value)} before any step: minus a {turned}"
        return judged("initial-loss", said, [found("negated-loss", "loss", said)])
    if known is None or not np.isfinite(known.constant):
        raise CannotRun(
            "the loss of the outputs of `predict_fn` and `targets` is none whose best "
            "constant is known"
        )
    # Averages of no batch yet: evaluation would judge them, not the model.
    fresh = running_averages(subject)
    losses = subject.losses if fresh else subject.evaluation_losses
    value = float(losses(start, batches).mean())
    constant = known.constant
    if len(batches) > 1:
        both = [_outputs_and_targets(subject, batch) for batch in batches]
        constant = known.least(*map(np.concatenate, zip(*both, strict=True)))
    compared = constant
    words = "the best constant"
    if known.uniform is not None and known.uniform > constant:
        compared, words = known.uniform, "equal probabilities"
    said = (
        f"{known.form} {format_number(value)} before any step, of {words} "
        f"{format_number(compared)}"
    )
    numbers = {"loss": value, "constant": constant, "form": known.form}
    far = FAR * compared
    if known.uniform is not None:
        far = max(CLASSES_FAR * compared, compared + NATS)
    findings = []
    if value > far:
        findings.append(found("far-initial-loss", "loss", said, evidence=numbers))
    elif known.uniform is None:
        sizes = [float(np.sqrt(np.mean(np.square(x)))) for x in (known.wanted, outputs)]
        # Targets of size 1 are as they should be, however small outputs begin.
        if sizes[0] > FAR * max(sizes[1], 1.0) and sizes[1] > 0:
            findings.append(
                found(
                    "far-initial-loss",
                    "targets",
                    f"{said}; targets are {format_number(sizes[0])} in size, outputs "
                    f"{format_number(sizes[1])}",
                    evidence=numbers,
                )
            )
    return judged("initial-loss", said, findings, numbers)


def _turned(subject: Subject) -> str | None:
    """The loss that this one is minus of, in two batches if there are two."""
    forms: set[str | None] = set()
    for batch in subject.train[:2]:
        value, outputs, targets = before_any_step(subject, batch)
        known = recognise(-value, outputs, targets) if value < 0 else None
        forms.add(known and known.form)
    return forms.pop() if len(forms) == 1 else None


class Beginning(NamedTuple):
    """A batch, before any step."""

    loss: float
    outputs: np.ndarray
    targets: np.ndarray


def before_any_step(subject: Subject, batch: Any = None) -> Beginning:
    """The loss, the outputs and the targets of a batch, on the host.

    Args:
        subject: with `predict_fn` and `targets`.
        batch: the first of the training batches if None.

    Raises:
        CannotRun: if `predict_fn` or `targets` is not given, or not one array.
    """
    batch = subject.batch if batch is None else batch
    outputs, targets = _outputs_and_targets(subject, batch)
    loss = float(subject.evaluation_losses(subject.pure.start, [batch])[0])
    return Beginning(loss, outputs, targets)


def _outputs_and_targets(subject: Subject, batch: Any) -> tuple[np.ndarray, np.ndarray]:
    outputs = _one_array(subject.predict(subject.pure.start, batch), "predict_fn")
    return outputs, _one_array(subject.pick(batch, "targets"), "targets")


def _enough(subject: Subject) -> list[Any]:
    """So many batches that a constant cannot learn their targets by heart."""
    rows = max(1, count_rows(subject.batch))
    return subject.train[: -(-EXAMPLES // rows)]


def _one_array(tree: Any, what: str) -> np.ndarray:
    """The only array of a pytree, on the host.

    Raises:
        CannotRun: if it holds none or several.
    """
    leaves = jax.tree.leaves(tree)
    if len(leaves) != 1:
        raise CannotRun(f"expected one array of `{what}`; found {len(leaves)}")
    return np.asarray(leaves[0])
