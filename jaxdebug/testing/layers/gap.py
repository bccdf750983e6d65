"""How far two results are apart, told by few numbers that a device can return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.programs.parameters.leaves import path_names
from jaxdebug.programs.random_keys import without_keys

ULPS = 256
"""Roundings of the largest element that two ways to compute the same may differ by."""

TIMES = 32
"""How many times what some roundings of the inputs were seen to change."""


VAGUE = 0.05
"""Part of the largest element that roundings may change where anything is decided."""


class Undecided(Exception):
    """A property could not be decided; the message says why."""


class Gap(NamedTuple):
    """Between two arrays: where they differ most."""

    worst: Any
    """Difference of the elements; infinite if one alone is not finite."""
    place: Any
    """Of the element, in the flat array."""
    expected: Any
    found: Any
    scale: Any
    """Largest finite magnitude that was expected."""


class Unlike(ValueError):
    """Two results of different structure; the message is complete."""


def gaps(expected: Any, found: Any, xp: Any = jnp) -> list[Gap]:
    """The gap of each leaf.

    Args:
        expected: a pytree of arrays.
        found: the same.
        xp: NumPy, if they are on the host.

    Raises:
        Unlike: if there is a leaf of another shape or dtype, or no such leaf.
    """
    left, right = dict(_named(expected)), dict(_named(found))
    if left.keys() != right.keys():
        only = sorted(left.keys() ^ right.keys())
        raise Unlike(
            f"one of two results has {', '.join(map(repr, only))}, one has not"
        )
    for name, leaf in left.items():
        said = [jax.typeof(one).str_short() for one in (leaf, right[name])]
        if said[0] != said[1]:
            raise Unlike(f"{name}: expected {said[0]}, found {said[1]}")
    return [_gap(left[name], right[name], xp) for name in left]


def on_host(tree: Any) -> Any:
    """A result as NumPy arrays; of keys of random numbers, their numbers."""
    return jax.device_get(jax.tree.map(without_keys, tree))


def names_of(tree: Any) -> list[str]:
    """The name of each leaf of a result."""
    return [name for name, _ in _named(tree)]


def _named(tree: Any) -> list[tuple[str, Any]]:
    names = ["/".join(path) or "output" for path in path_names(tree)]
    return [*zip(names, jax.tree.leaves(tree), strict=True)]


def _gap(expected: Any, found: Any, xp: Any) -> Gap:
    if not jnp.size(expected):
        return Gap(*xp.zeros(5))
    left, right = (_wide(xp.asarray(array), xp) for array in (expected, found))
    same = (left == right) | (xp.isnan(left) & xp.isnan(right))
    with np.errstate(invalid="ignore"):  # infinite less infinite, on the host
        apart = xp.where(same, 0.0, xp.abs(left - right))
    apart = xp.where(xp.isnan(apart), xp.inf, apart)
    place = xp.argmax(apart)
    finite = xp.where(xp.isfinite(left), xp.abs(left), 0.0)
    return Gap(apart.max(), place, left[place], right[place], finite.max())


def _wide(array: Any, xp: Any) -> Any:
    array = without_keys(array)
    if xp.iscomplexobj(array):
        array = xp.stack([array.real, array.imag], -1)
    wide = jnp.promote_types(array.dtype, jnp.float32)
    return array.reshape(-1).astype(wide)


def differing(
    found: Sequence[Gap],
    expected: Any,
    noise: Sequence[float],
    words: Callable[[str, Gap, tuple[int, ...]], str],
) -> str:
    """What is wrong with the leaf that differs most; empty if none does.

    Args:
        found: the gap of each leaf.
        expected: the leaves, or their shapes and dtypes.
        noise: by how much roundings change each leaf; over again if there are more.
        words: what to say of a leaf.

    Raises:
        Undecided: if nothing is wrong but roundings change so much that it says little.
    """
    worst, said, vague = 0.0, "", ""
    leaves = zip(names_of(expected), jax.tree.leaves(expected), strict=True)
    for place, (gap, (name, leaf)) in enumerate(zip(found, leaves, strict=True)):
        gap = Gap(*map(np.asarray, jax.device_get(gap)))
        own = float(noise[place % len(noise)]) if noise else 0.0
        if apart(gap, leaf.dtype, own):
            if not said or gap.worst > worst:
                worst, said = float(gap.worst), words(name, gap, leaf.shape)
        elif own > VAGUE * gap.scale and apart(gap, leaf.dtype, 0.0):
            vague = f"roundings of the inputs change {name} by {own:.2g}"
    if vague and not said:
        raise Undecided(vague)
    return said


def apart(gap: Gap, dtype: Any, noise: float) -> bool:
    """Whether a gap is more than roundings explain.

    Args:
        gap: on the host.
        dtype: of the array.
        noise: by how much roundings of the inputs were seen to change the array.
    """
    if not jnp.issubdtype(dtype, jnp.inexact):
        return bool(gap.worst > 0)
    allowed = ULPS * float(jnp.finfo(dtype).eps) * float(gap.scale) + TIMES * noise
    return not bool(gap.worst <= allowed)


def in_words(name: str, gap: Gap, shape: tuple[int, ...]) -> str:
    """Where two arrays differ, and by what."""
    index = np.unravel_index(int(gap.place), shape) if shape else ()
    place = f"[{', '.join(map(str, index))}]" if shape else ""
    return f"{name}{place} is {float(gap.found):.6g}, not {float(gap.expected):.6g}"
