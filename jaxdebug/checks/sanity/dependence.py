"""Which outputs change when some of the inputs do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.batch_fields import count_rows, map_rows
from jaxdebug.checks.outcome import CannotRun
from jaxdebug.checks.subject import Subject

ROUNDINGS = 1e3
"""Units in the last place of the largest output that other sums may be off by."""

COMPARED = 1e-4
"""Of the loss, what is left where the changes of two halves do not add up: sums in
float32 are a tenth of that off, and losses that compare examples a hundred times."""


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


def loss_compares_examples(subject: Subject) -> bool:
    """Whether the loss is no sum over examples, as where they are set apart by it.

    Other examples in one half of a batch change such a sum by the same amount, whatever
    the other half is. Losses of pairs, ranks or correlations do not, nor do models that
    normalise over a batch.

    Args:
        subject: any.
    """
    one = subject.batch
    other = subject.train[1] if len(subject.train) > 1 else map_rows(one, _rolled)
    half = count_rows(one) // 2

    def joined(first: Any, second: Any) -> Any:
        # What has no row for each example stays that of one batch.
        rows = count_rows(one)
        return jax.tree.map(
            lambda a, b: (
                jnp.concatenate([a[:half], b[half:]])
                if a.ndim and a.shape[0] == rows
                else a
            ),
            first,
            second,
        )

    pairs = [(a, b) for a in (one, other) for b in (one, other)]
    losses = subject.losses(subject.pure.start, [joined(*pair) for pair in pairs])
    apart = abs(losses[0] - losses[1] - losses[2] + losses[3])
    return bool(apart > COMPARED * np.abs(losses).max())


def _rolled(leaf: Any) -> Any:
    return jnp.roll(leaf, leaf.shape[0] // 2, axis=0)


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
