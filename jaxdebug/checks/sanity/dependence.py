"""Which outputs change when some of the inputs do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.outcome import CannotRun
from jaxdebug.checks.subject import Subject

ROUNDINGS = 1e3
"""Units in the last place of the largest output that other sums may be off by."""


def row_leaves(tree: Any, axes: int, shape: Sequence[int]) -> list[int]:
    """Which leaves begin with these axes.

    Args:
        tree: of arrays.
        axes: how many first axes must fit.
        shape: that they must have.
    """
    wanted = tuple(shape[:axes])
    return [
        number
        for number, leaf in enumerate(jax.tree.leaves(tree))
        if leaf.ndim >= axes and leaf.shape[:axes] == wanted
    ]


def exchanged(subject: Subject, batch: Any, where: Any, axes: int) -> Any:
    """The batch with other values of its own in some places of its inputs.

    Args:
        subject: whose batch it is.
        batch: on the device.
        where: index of the inputs that change, of the first axes.
        axes: how many first axes the index is of.

    Raises:
        CannotRun: if the inputs have no such axes.
    """

    def other(leaf: Any) -> Any:
        random = np.random.default_rng(subject.seed)
        order = random.permutation(leaf.shape[0])
        return leaf.at[where].set(jnp.roll(leaf[order], 1, axis=axes - 1)[where])

    return _changed(subject, batch, axes, other)


def tainted(subject: Subject, batch: Any, where: Any, axes: int) -> Any:
    """The batch with NaN in some places of its inputs, where they are no codes.

    NaN times a weight of zero is NaN: what is tainted need not depend.

    Args:
        subject: whose batch it is.
        batch: on the device.
        where: index of the inputs that change, of the first axes.
        axes: how many first axes the index is of.

    Raises:
        CannotRun: if the inputs have no such axes.
    """

    def nan(leaf: Any) -> Any:
        is_number = jnp.issubdtype(leaf.dtype, jnp.inexact)
        return leaf.at[where].set(jnp.nan) if is_number else leaf

    return _changed(subject, batch, axes, nan)


def _changed(
    subject: Subject, batch: Any, axes: int, change: Callable[[Any], Any]
) -> Any:
    inputs = subject.pick(batch, "inputs")
    if not any(leaf.ndim >= axes for leaf in jax.tree.leaves(inputs)):
        raise CannotRun(f"expected inputs with {axes} axes")
    new = jax.tree.map(lambda x: change(x) if x.ndim >= axes else x, inputs)
    return subject.put(batch, "inputs", new)


def differing(before: Any, after: Any, roundings: float = ROUNDINGS) -> np.ndarray:
    """Which elements are not the same but for rounding.

    Args:
        before: outputs.
        after: the same outputs of other inputs.
        roundings: units in the last place of the largest that they may be off by.
    """
    old, new = np.asarray(before), np.asarray(after)
    if old.dtype.kind not in "fc" and not jnp.issubdtype(old.dtype, jnp.inexact):
        return np.asarray(old != new)
    wide = np.complex128 if jnp.iscomplexobj(before) else np.float64
    eps = float(jnp.finfo(before.dtype).eps)
    old, new = old.astype(wide), new.astype(wide)
    finite = np.abs(old[np.isfinite(old)])
    room = roundings * eps * float(finite.max(initial=0.0))
    same = (np.abs(old - new) <= room) | (np.isnan(old) & np.isnan(new)) | (old == new)
    return ~same
