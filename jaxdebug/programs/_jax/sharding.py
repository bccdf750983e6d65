"""Arrays whose sharding is part of their type."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec


def explicit_mesh(values: Any) -> Any:
    """The mesh of the first array whose type says how it is sharded; None without.

    `jax.make_mesh` makes such meshes. Operations on their arrays are refused where the
    sharding of a result is not known, as of a reshape.
    """
    for leaf in jax.tree.leaves(values):
        aval: Any = jax.typeof(leaf)
        mesh = getattr(getattr(aval, "sharding", None), "mesh", None)
        if AxisType.Explicit in (getattr(mesh, "axis_types", None) or ()):
            return mesh
    return None


def replicated(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of arrays of any sharding; its results are the same everywhere.

    For what measures: inside it the compiler chooses how to go about it.
    """

    def everywhere(*arrays: Any) -> Any:
        mesh = explicit_mesh(arrays)
        if mesh is None:
            return function(*arrays)
        with jax.sharding.use_abstract_mesh(mesh):
            run = jax.sharding.auto_axes(function, out_sharding=PartitionSpec())
            return run(*arrays)

    return everywhere


def sharded_like(array: Any, like: Any) -> Any:
    """The array, sharded as another one whose type says how it is sharded."""
    if explicit_mesh(like) is None:
        return array
    aval: Any = jax.typeof(like)
    return jax.sharding.reshard(array, aval.sharding)


def gathered(array: Any) -> Any:
    """The array, whole on every device, if its type says how it is split."""
    mesh = explicit_mesh(array)
    if mesh is None:
        return array
    return jax.sharding.reshard(array, NamedSharding(mesh, PartitionSpec()))


def placed(array: Any, mesh: Any, spec: Any) -> Any:
    """The array, split over a mesh as a shard_map asks for it.

    Only where types say how arrays are sharded: elsewhere JAX does so by itself.
    """
    kinds = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    if AxisType.Explicit not in kinds.values():
        return array
    names = [(e,) if isinstance(e, str) else tuple(e or ()) for e in spec]
    typed = [
        tuple(name for name in each if kinds[name] == AxisType.Explicit) or None
        for each in names
    ]
    sharding = NamedSharding(mesh, PartitionSpec(*typed))
    return jax.sharding.reshard(array, sharding)


def within_mesh(values: Any) -> AbstractContextManager[Any]:
    """Where arrays that lost their sharding on the host get along with a program.

    Args:
        values: what the program was traced with. If their types say how they are
            sharded, their mesh is set, unless the user has set one.
    """
    if not jax.sharding.get_abstract_mesh().empty:
        return nullcontext()
    for leaf in jax.tree.leaves(values):
        if isinstance(leaf, jax.Array) and explicit_mesh(leaf) is not None:
            sharding: Any = leaf.sharding  # a NamedSharding of a concrete mesh
            return jax.set_mesh(sharding.mesh)
    return nullcontext()
