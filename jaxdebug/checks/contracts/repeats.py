"""Whether the same call gives the same numbers, also in evaluation with other keys."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.outcome import CannotRun, Outcome, judged
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.programs.random_keys import is_key
from jaxdebug.reports import format_number


def repeats(subject: Subject) -> Outcome:
    """Compute the loss of a batch twice.

    Args:
        subject: any.
    """
    start, batch = subject.pure.start, subject.batch
    first, second = subject.losses(start, [batch, batch]).tolist()
    same = first == second or (np.isnan(first) and np.isnan(second))
    said = f"loss {format_number(first)}, then {format_number(second)}"
    findings = [] if same else [found("not-repeatable", "loss", said)]
    return judged("repeats", said, findings, {"first": first, "second": second})


def evaluation_mode(subject: Subject) -> Outcome:
    """Compute the evaluation loss with other random keys.

    Args:
        subject: with `eval_loss_fn`, and keys in `extra` or in a module's streams.
    """
    if subject.workload.eval_loss_fn is None:
        raise CannotRun("give `eval_loss_fn`")
    start, batch = subject.pure.start, subject.batch
    trained = {*subject.pure.split.moving}
    other = [
        leaf if number in trained else _redrawn(leaf)
        for number, leaf in enumerate(start)
    ]
    if not any(a is not b for a, b in zip(start, other, strict=True)):
        raise CannotRun("expected random keys in `extra` or in the model; found none")
    losses = [float(subject.evaluation_losses(x, [batch])[0]) for x in (start, other)]
    said = "loss {}, with other keys {}".format(*map(format_number, losses))
    findings = []
    if losses[0] != losses[1] and not np.isnan(losses).all():
        findings.append(found("random-evaluation", "eval_loss_fn", said))
    numbers = {"loss": losses[0], "other_keys": losses[1]}
    return judged("evaluation-mode", said, findings, numbers)


def _redrawn(leaf: Any) -> Any:
    """Another key; anything that is no key as it is."""
    if is_key(leaf):
        return jax.vmap(lambda key: jax.random.fold_in(key, 12345))(
            leaf.reshape(-1)
        ).reshape(leaf.shape)
    # A key of the old kind is two words.
    if leaf.dtype == jnp.uint32 and leaf.shape == (2,):
        return leaf ^ jnp.asarray([0x9E3779B9, 0x7F4A7C15], jnp.uint32)
    return leaf
