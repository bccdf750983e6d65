"""Whether positions that are only padding change the loss."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.batch_fields import pick
from jaxdebug.checks.outcome import CannotRun, Outcome, judged
from jaxdebug.checks.sanity.dependence import differing
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import Finding, found
from jaxdebug.reports import format_number

NAME = "padding"

ROUNDINGS = 30.0
"""Units in the last place: one and the same program adds zeros in the same order."""


def padding(subject: Subject) -> Outcome:
    """Change inputs, then targets, where the mask says that nothing counts.

    Args:
        subject: with `mask`, and `inputs` or `targets` of its shape and more.
    """
    place = subject.workload.mask
    if place is None:
        raise CannotRun("give `mask`: which positions of a batch count")
    batch, start = subject.batch, subject.pure.start
    empty = np.asarray(pick(batch, "mask", place)) == 0
    share = float(empty.mean())
    if not empty.any():
        raise CannotRun("expected padding in the first batch; its mask leaves out none")
    before = subject.evaluation_losses(start, [batch])
    findings: list[Finding] = []
    parts = [f"{100 * share:.0f} % of the positions are padding"]
    for field in ("inputs", "targets"):
        try:
            old = subject.pick(batch, field)
            new = subject.put(batch, field, _changed(old, empty, subject.seed))
        except CannotRun:
            continue
        after = subject.evaluation_losses(start, [new])
        message = (
            f"loss {format_number(float(before[0]))}, with other {field} in the "
            f"padding {format_number(float(after[0]))}"
        )
        parts.append(message)
        same = jnp.float32
        if differing(same(before[0]), same(after[0]), ROUNDINGS).any():
            findings.append(found("padding-counts", field, message))
    if len(parts) == 1:
        raise CannotRun("give `inputs` or `targets`, as a key or an index")
    return judged(NAME, "; ".join(parts), findings, {"share": share})


def _changed(tree: Any, empty: np.ndarray, seed: int) -> Any:
    """Other values of the same leaf where nothing counts."""
    leaves, structure = jax.tree.flatten(tree)
    fitting = [leaf.shape[: empty.ndim] == empty.shape for leaf in leaves]
    if not any(fitting):
        raise CannotRun(f"expected arrays with the axes of the mask, {empty.shape}")
    random = np.random.default_rng(seed)

    def other(leaf: Any) -> Any:
        values = np.asarray(leaf).reshape(-1)
        drawn = random.permutation(values).reshape(leaf.shape)
        if np.array_equal(drawn, np.asarray(leaf)):
            drawn = drawn + np.ones((), drawn.dtype)
        where = empty.reshape(empty.shape + (1,) * (leaf.ndim - empty.ndim))
        return jnp.where(where, jnp.asarray(drawn, leaf.dtype), leaf)

    changed = [other(x) if fits else x for x, fits in zip(leaves, fitting, strict=True)]
    return jax.tree.unflatten(structure, changed)
