"""Whether two results differ by more than roundings of arguments explain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdebug.testing.layers.gap import VAGUE, apart, gaps, in_words, names_of
from jaxdebug.testing.layers.noise import noise_of


def with_noise(made: Callable[..., Any]) -> Callable[..., tuple[Any, list[Any]]]:
    """The same function, compiled, which returns the noise of each leaf too.

    Args:
        made: a function of pytrees of arrays, which can be traced.
    """

    def run(*args: Any) -> tuple[Any, list[Any]]:
        plain = made(*args)
        noise = noise_of({"": plain}, lambda *other: {"": made(*other)}, *args)
        return plain, noise[""]

    return jax.jit(run)


class Differences(NamedTuple):
    """How two results differ."""

    wrong: tuple[str, ...]
    """Of each leaf that differs by more than roundings: where, and by what."""
    undecided: tuple[str, ...]
    """Of each leaf of which roundings leave too little to tell."""
    are_finite: bool
    """Whether what is finite in one is finite in the other."""


def differences(
    expected: Any, found: Any, noise: Sequence[Any], allowed: float | None = None
) -> Differences:
    """All leaves in which two results differ, the one that differs most first.

    Args:
        expected: a pytree of arrays.
        found: the same.
        noise: by how much roundings of the inputs change each leaf.
        allowed: part of the largest element that a leaf may differ by; by default
            some roundings of its dtype.

    Raises:
        Unlike: if they are not of one structure, or a leaf of other shape or dtype.
    """
    expected, found = jax.device_get((expected, found))
    said: list[tuple[float, str]] = []
    undecided, are_finite = [], True
    leaves = jax.tree.leaves(expected)
    own = [float(one) for one in jax.device_get(noise)] or [0.0] * len(leaves)
    apart_by = gaps(expected, found, np)
    each = zip(apart_by, names_of(expected), leaves, own, strict=True)
    for gap, name, leaf, off in each:
        if allowed is not None:
            is_apart = not float(gap.worst) <= allowed * float(gap.scale) + off
        else:
            is_apart = apart(gap, jax.typeof(leaf).dtype, off)
        if is_apart:
            said.append((float(gap.worst), in_words(name, gap, np.shape(leaf))))
            are_finite &= bool(np.isfinite(gap.worst))
        elif off > VAGUE * gap.scale and apart(gap, leaf.dtype, 0.0):
            undecided.append(f"roundings of the arguments change {name} by {off:.2g}")
    said.sort(key=lambda pair: -pair[0])
    return Differences(tuple(text for _, text in said), tuple(undecided), are_finite)
