"""Symmetries along the second axis of inputs, which a layer may be declared to have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxdebug.testing.layers.draw import Usual
from jaxdebug.testing.layers.property import Pair, Property, Setting


def _no_positions(setting: Setting) -> str:
    lengths = [leaf.shape[1:2] for leaf in jax.tree.leaves(setting.args)]
    if not lengths or min(lengths) < (2,):
        return "the inputs have no second axis of two or more positions"
    return ""


def _along(change: Callable[[Any], Any], tree: Any) -> Any:
    return jax.tree.map(change, tree)


def _rolled(leaf: Any) -> Any:
    return jnp.roll(leaf, 1, axis=1)


def _mixed(leaf: Any) -> Any:
    """All positions elsewhere, by no rotation or reflection if there are four."""
    last = jnp.flip(leaf, axis=1)
    return jnp.concatenate([last[:, 1:2], last[:, :1], last[:, 2:]], axis=1)


def _equivariant(change: Callable[[Any], Any]) -> Callable[[Usual, Setting], Pair]:
    def pair(usual: Usual, setting: Setting) -> Pair:
        moved = usual.of(_along(change, usual.draw.args))
        return _along(change, usual.output), moved

    return pair


def _invariant(usual: Usual, setting: Setting) -> Pair:
    return usual.output, usual.of(_along(_mixed, usual.draw.args))


def _causal(usual: Usual, setting: Setting) -> Pair:
    """What comes after the first half of the positions is replaced."""
    args, others = usual.draw.args, usual.draw.others
    half = jax.tree.leaves(args)[0].shape[1] // 2

    def later(own: Any, other: Any) -> Any:
        return own.at[:, half:].set(other[:, half:])

    replaced = usual.of(jax.tree.map(later, args, others))
    expected, found = (
        _along(lambda leaf: leaf[:, :half], out) for out in (usual.output, replaced)
    )
    return expected, found


SYMMETRIES = (
    Property(
        "causal",
        "the output at a position does not depend on later ones",
        _causal,
        why_not=_no_positions,
        is_declared=True,
    ),
    Property(
        "permutation-equivariant",
        "positions in another order give outputs in that order",
        _equivariant(_mixed),
        why_not=_no_positions,
        is_declared=True,
    ),
    Property(
        "permutation-invariant",
        "the order of positions does not change the output",
        _invariant,
        why_not=_no_positions,
        is_declared=True,
    ),
    Property(
        "translation-equivariant",
        "positions that are moved around give outputs that are moved around",
        _equivariant(_rolled),
        why_not=_no_positions,
        is_declared=True,
    ),
)
