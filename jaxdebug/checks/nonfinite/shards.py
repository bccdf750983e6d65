"""The body of a shard_map from outside: each value stacked over the devices.

A value that differs along some axes of the mesh has those axes in front of its own.
So every device's part is seen at once, and an index says whose it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from jaxdebug.programs._jax.calls import ShardMap, varying_axes
from jaxdebug.programs._jax.compiling import quick_options, unfused_options
from jaxdebug.programs._jax.sharding import placed
from jaxdebug.programs.program import AS_WRITTEN

Element = tuple[int, ...]


class Shards(NamedTuple):
    """A shard_map whose body is looked into.

    Inside another it is one over the axes of both.
    """

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

    def device(self, aval: Any, index: Element) -> dict[str, int]:
        """The position along each axis that an element of a stacked value is at."""
        return dict(zip(self.axes(aval), index, strict=False))

    def within(
        self, aval: Any, index: Element, spec: Any, device: Mapping[str, int]
    ) -> Element:
        """The element of a device's part that is one of the whole array.

        Args:
            aval: of the part.
            index: in the whole array.
            spec: how that is split.
            device: position along the axes of the shard_map around this one.
        """
        sizes = self.view.sizes
        at = dict.fromkeys(self.view.axes, 0) | dict(device)
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
        at = self.device(aval, index)
        own = index[len(self.axes(aval)) :]
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
    *,
    often: bool = False,
) -> Callable[..., list[Any]]:
    """A function of values of a program, jitted, that rounds as it is written.

    Args:
        function: of values as the program has them.
        ins: avals of its arguments.
        outs: avals of its results.
        shards: of the shard_map whose body it is part of; then arguments and results
            are stacked.
        often: whether it is run so often that it must be fast; else it is compiled
            fast.
    """
    if shards is None:
        return jax.jit(function, compiler_options=_options(often))
    specs = tuple(map(shards.spec, ins)), [*map(shards.spec, outs)]
    fronts = [len(shards.axes(aval)) for aval in ins]
    return _mapped(function, fronts, outs, shards, *specs, often=often)


def _options(often: bool) -> dict[str, Any]:
    return {**AS_WRITTEN, **unfused_options(), **({} if often else quick_options())}


def entering(
    function: Callable[..., list[Any]],
    fronts: Sequence[tuple[str, ...]],
    outs: Sequence[Any],
    shards: Shards,
) -> Callable[..., list[Any]]:
    """As `compiled`, of the operands of the shard_map as they stand outside.

    Args:
        function: of values as the program has them.
        fronts: axes of the shard_map around this one, that stand in front of each
            operand's own.
        outs: avals of its results.
        shards: of the shard_map.
    """
    own = zip(fronts, shards.view.in_specs, strict=True)
    ins = tuple(PartitionSpec(*front, *spec) for front, spec in own)
    specs = ins, [*map(shards.spec, outs)]
    return _mapped(function, [*map(len, fronts)], outs, shards, *specs)


def _mapped(
    function: Callable[..., list[Any]],
    fronts: Sequence[int],
    outs: Sequence[Any],
    shards: Shards,
    in_specs: tuple[Any, ...],
    out_specs: list[Any],
    *,
    often: bool = False,
) -> Callable[..., list[Any]]:
    """A function of stacked values, of one of which each device has its own.

    Args:
        function: of values as the program has them.
        fronts: how many axes of each argument say whose it is.
        outs: avals of its results.
        shards: of the shard_map.
        in_specs: how arguments are split over the mesh.
        out_specs: how results are.
        often: whether it must be fast.
    """

    def apply(*values: Any) -> list[Any]:
        own = zip(values, fronts, strict=True)
        results = function(*(jnp.squeeze(v, tuple(range(n))) for v, n in own))
        return [
            jnp.expand_dims(result, tuple(range(len(shards.axes(aval)))))
            for result, aval in zip(results, outs, strict=True)
        ]

    mapped = shards.view.map(apply, in_specs, out_specs)

    def split(*values: Any) -> list[Any]:
        pairs = zip(values, in_specs, strict=True)
        return mapped(*(placed(v, shards.view.mesh, spec) for v, spec in pairs))

    return jax.jit(split, compiler_options=_options(often))
