"""Copies of a step's arguments on the device, from which it can be run again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.training.recorder.arguments import Flat
from jaxdebug.training.recorder.room import takes_of_host


class Snapshot(NamedTuple):
    """The arguments of one step."""

    step: int
    flat: Flat
    host: int
    """Bytes of host memory that they take."""


@jax.jit
def _copies(arrays: Sequence[Any]) -> list[Any]:
    # A copy that XLA makes: JAX would hand on an argument that is returned as it is.
    return [jnp.copy(array) for array in arrays]


def copied(leaves: Sequence[Any]) -> list[Any]:
    """The same arrays, which nobody else can donate or write to."""
    found = [leaf.copy() if isinstance(leaf, np.ndarray) else leaf for leaf in leaves]
    arrays = {i: leaf for i, leaf in enumerate(leaves) if isinstance(leaf, jax.Array)}
    for indices in _together(arrays):
        for i, copy in zip(indices, _copies([leaves[i] for i in indices]), strict=True):
            found[i] = copy
    return found


def _together(arrays: Mapping[int, Any]) -> Iterable[list[int]]:
    """Arrays may live on different devices: one program for each set of them."""
    groups: dict[frozenset[Any], list[int]] = {}
    for i, array in arrays.items():
        devices = array.devices() if isinstance(array, jax.Array) else ()
        groups.setdefault(frozenset(devices), []).append(i)
    return groups.values()


def take(step: int, flat: Flat) -> Snapshot:
    """A snapshot of the arguments of a step, before it runs."""
    leaves = copied(flat.leaves)
    return Snapshot(step, flat._replace(leaves=leaves), takes_of_host(leaves))


@jax.jit
def _finite(arrays: Sequence[Any]) -> list[Any]:
    return [jnp.all(jnp.isfinite(array)) for array in arrays]


def finite(leaves: Sequence[Any]) -> list[bool]:
    """Whether all elements of each are finite; what is not inexact is. Waits."""
    inexact = {
        i: leaf
        for i, leaf in enumerate(leaves)
        if hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.inexact)
    }
    flags: dict[int, Any] = {}
    for indices in _together(inexact):
        found = jax.device_get(_finite([inexact[i] for i in indices]))
        flags |= dict(zip(indices, found, strict=True))
    return [bool(flags.get(i, True)) for i in range(len(leaves))]
