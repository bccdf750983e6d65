"""Whether the gradient depends on the targets."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.outcome import Outcome, judged, undecided
from jaxdebug.checks.sanity.gradient_sizes import apart, norm
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import Severity, found
from jaxdebug.reports import format_number

NAME = "uses-targets"

ROUNDING = 1e-6
"""Of the gradient's norm, what rounding alone may make of it."""


def uses_targets(subject: Subject) -> Outcome:
    """Compare the gradients of a batch as it is, and with one target for all rows.

    An absolute error has the same gradient for all targets on one side: where the loss
    changes and the gradient does not, targets of the other sign are tried as well.

    Args:
        subject: with `targets`.
    """
    batch, start = subject.batch, list(subject.pure.start)
    targets = subject.pick(batch, "targets")
    changed = [
        subject.put(batch, "targets", jax.tree.map(change, targets))
        for change in (_one_for_all, jnp.negative)
    ]
    value, own = subject.value_and_gradient(start, batch)
    other_value, new = subject.value_and_gradient(start, changed[0])
    size, difference = norm(own), apart(own, new)
    same = float(value) == float(other_value)
    if difference <= ROUNDING * size and not same and _are_floating(targets):
        difference = apart(own, subject.value_and_gradient(start, changed[1])[1])
    said = (
        f"gradient {format_number(size)}, with one target for all examples another "
        f"one by {format_number(difference)}"
    )
    numbers = {"gradient": size, "apart": difference}
    if not np.isfinite(difference) or not size:
        return undecided(NAME, said, numbers)
    if difference > ROUNDING * size:
        return judged(NAME, said, (), numbers)
    # A loss of the inputs alone may be given pairs whose second part it does not need.
    silent = subject.workload.targets is None and same
    finding = found(
        "unused-targets",
        "targets",
        said,
        severity=Severity.INFO if silent else None,
        evidence=numbers,
    )
    return judged(NAME, said, [finding], numbers)


def _are_floating(targets: Any) -> bool:
    leaves = jax.tree.leaves(targets)
    return all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves)


def _one_for_all(leaf: Any) -> Any:
    """The first row everywhere, or zeros where that changes nothing."""
    same = jnp.broadcast_to(leaf[:1], leaf.shape)
    if not np.array_equal(np.asarray(same), np.asarray(leaf)):
        return same
    return jnp.where(leaf == 0, jnp.ones_like(leaf), jnp.zeros_like(leaf))
