"""The body of a shard_map from outside: each value stacked over the devices.

A value that differs along some axes of the mesh has those axes in front of its own.
So every device's part is seen at once, and an index says whose it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from jaxdebug.programs._jax.calls import ShardMap, varying_axes
from jaxdebug.programs.program import AS_WRITTEN

Element = tuple[int, ...]


class Shards(NamedTuple):
    """A shard_map whose body is looked into."""

    view: ShardMap

    def axes(self, aval: Any) -> tuple[str, ...]:
        """The mesh axes that stand in front of a value's own."""
        if not self.view.checked:
            return self.view.axes
        varying = varying_axes(aval)
        return tuple(axis for axis in self.view.axes if axis in varying)

    def spec(self, aval: Any) -> Any:
        """How a stacked value is split over the mesh."""
        return PartitionSpec(*self.axes(aval))

    def within(self, aval: Any, index: Element, spec: Any) -> Element:
        """The element of a device's part that is one of the whole array."""
        sizes = self.view.sizes
        at = dict.fromkeys(self.view.axes, 0)
        own = []
        for position, (place, names) in enumerate(
            zip(index, _split(spec, len(index)), strict=True)
        ):
            names = [name for name in names if name in at]
            blocks = int(np.prod([sizes[name] for name in names]))
            length = aval.shape[position] if blocks > 1 else place + 1
            block, rest = divmod(place, length)
            for name in reversed(names):
                block, at[name] = divmod(block, sizes[name])
            own.append(rest)
        return (*(at[axis] for axis in self.axes(aval)), *own)

    def whole(self, aval: Any, index: Element, spec: Any) -> Element:
        """The element of the whole array that is one of a device's part."""
        sizes = self.view.sizes
        axes = self.axes(aval)
        at = dict(zip(axes, index, strict=False))
        own = index[len(axes) :]
        found = []
        for position, (place, names) in enumerate(
            zip(own, _split(spec, len(own)), strict=True)
        ):
            names = [name for name in names if name in self.view.axes]
            block = 0
            for name in names:
                block = block * sizes[name] + at.get(name, 0)
            found.append(block * aval.shape[position] + place)
        return tuple(found)

    def moved(self, index: Element, old: Any, new: Any) -> Element:
        """The same element where a value of other axes stands for it."""
        before, after = self.axes(old), self.axes(new)
        if before == after:
            return index
        at = dict(zip(before, index, strict=False))
        return (*(at.get(axis, 0) for axis in after), *index[len(before) :])


def _split(spec: Any, rank: int) -> list[tuple[str, ...]]:
    """For each axis of an array the mesh axes that it is split over."""
    entries = [*spec, *[None] * rank][:rank]
    return [
        () if e is None else (e,) if isinstance(e, str) else tuple(e) for e in entries
    ]


def lead(shards: Shards | None, aval: Any) -> int:
    """How many axes stand in front of a value's own."""
    return 0 if shards is None else len(shards.axes(aval))


def compiled(
    function: Callable[..., list[Any]],
    ins: Sequence[Any],
    outs: Sequence[Any],
    shards: Shards | None = None,
) -> Callable[..., list[Any]]:
    """A function of values of a program, jitted, that rounds as it is written.

    Args:
        function: of values as the program has them.
        ins: avals of its arguments.
        outs: avals of its results.
        shards: of the shard_map whose body it is part of; then arguments and results
            are stacked.
    """
    if shards is None:
        return jax.jit(function, compiler_options=AS_WRITTEN)
    specs = tuple(map(shards.spec, ins)), [*map(shards.spec, outs)]
    return jax.jit(
        shards.view.map(_stacked(function, ins, outs, shards), *specs),
        compiler_options=AS_WRITTEN,
    )


def entering(
    function: Callable[..., list[Any]], outs: Sequence[Any], shards: Shards
) -> Callable[..., list[Any]]:
    """As `compiled`, of the operands of the shard_map as they stand outside."""
    view = shards.view
    specs = view.in_specs, [*map(shards.spec, outs)]
    return jax.jit(
        view.map(_stacked(function, None, outs, shards), *specs),
        compiler_options=AS_WRITTEN,
    )


def _stacked(
    function: Callable[..., list[Any]],
    ins: Sequence[Any] | None,
    outs: Sequence[Any],
    shards: Shards,
) -> Callable[..., list[Any]]:
    def apply(*values: Any) -> list[Any]:
        if ins is not None:
            pairs = zip(values, ins, strict=True)
            values = tuple(
                jnp.squeeze(value, tuple(range(len(shards.axes(aval)))))
                for value, aval in pairs
            )
        results = function(*values)
        return [
            jnp.expand_dims(result, tuple(range(len(shards.axes(aval)))))
            for result, aval in zip(results, outs, strict=True)
        ]

    return apply
