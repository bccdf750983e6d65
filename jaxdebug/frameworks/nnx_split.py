"""Flax NNX: objects as the arrays of their variables, and objects made of them.

The objects of one pytree are numbered together, so that what two of them share
is one array. Those of a copy know the numbers of the originals: what a function
does to the copy, new attributes and all, can then be done to the originals.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import jax
from flax import nnx
from flax.errors import TraceContextError
from flax.nnx import extract

from jaxdebug.frameworks.modules import Form, ModuleArrays, form_key
from jaxdebug.programs.parameters.leaves import path_names


class Objects:
    """The objects of one pytree, in the order in which they are met."""

    def __init__(self, known: Objects | None = None) -> None:
        self._numbers = nnx.graphlib.RefMap()
        self._made = nnx.graphlib.IndexMap()
        self._known = known

    @staticmethod
    def holds(value: Any) -> bool:
        """Whether it is a module, a variable or another object, such as Rngs."""
        return isinstance(value, nnx.Pytree | nnx.Variable)

    @staticmethod
    def share(first: Any, second: Any) -> bool:
        """Whether two pytrees have an object in common."""
        ids = set(map(id, _objects(first)))
        return any(id(node) in ids for node in _objects(second))

    def take_apart(self, module: Any) -> ModuleArrays:
        """The arrays of a module's variables; those of `nnx.Param` are trainable."""
        outer = self._known.made if self._known else None
        definition, state = nnx.flatten(
            module, ref_index=self._numbers, ref_outer_index=outer, graph=True
        )
        arrays: list[Any] = []
        paths: list[tuple[str, ...]] = []
        flags: list[bool] = []
        trees: list[Any] = []
        trained: list[bool] = []
        for path, leaf in zip(state.paths, state.leaves, strict=True):
            raw = leaf.get_raw_value() if isinstance(leaf, nnx.Variable) else leaf
            values, tree = jax.tree.flatten(raw)
            arrays += values
            names = tuple(map(str, path))
            paths += [(*names, *inner) for inner in path_names(raw)]
            trees.append(tree)
            trained.append(isinstance(leaf, nnx.Param))
            flags += [trained[-1]] * len(values)

        keys = state.paths  # not the variables: a form is kept, they are the user's

        def raw_values(arrays: Sequence[Any]) -> list[Any]:
            rest, made = list(arrays), []
            for tree in trees:
                made.append(jax.tree.unflatten(tree, rest[: tree.num_leaves]))
                del rest[: tree.num_leaves]
            return made

        def rebuild(arrays: Sequence[Any], objects: Objects) -> Any:
            return objects._make(definition, raw_values(arrays))

        def parameters(arrays: Sequence[Any]) -> Any:
            # What nnx.Optimizer(model, tx, wrt=nnx.Param) hands to tx.update.
            every = zip(keys, trained, raw_values(arrays), strict=True)
            kept = {key: raw for key, is_kept, raw in every if is_kept}
            # A variable alone, as in an nnx.State, has no path below itself.
            return kept[()] if () in kept else nnx.from_flat_state(kept)

        own = definition.with_no_outer_index() if outer else definition
        key = form_key("nnx", own, tuple(trees))
        form = Form(tuple(paths), tuple(flags), rebuild, parameters, key, True)
        return ModuleArrays(arrays, form)

    def _make(self, definition: Any, values: list[Any]) -> Any:
        known = self._known.numbered if self._known else None
        return nnx.unflatten(
            definition, values, index_ref=self._made, outer_index_outer_ref=known
        )

    @cached_property
    def made(self) -> Any:
        """The number of each object that was made; once all are."""
        return nnx.graphlib.RefMap.from_indexmap(self._made)

    @cached_property
    def numbered(self) -> Any:
        """Each object that was taken apart, by its number; once all are."""
        return nnx.graphlib.IndexMap.from_refmap(self._numbers)

    def require_changeable(self) -> None:
        """Refuse objects that belong to an outer trace: Flax would half change them.

        Raises:
            TypeError: if one of those that were taken apart does; says what to do.
        """
        for value in self._numbers:
            try:
                extract.check_consistent_aliasing(value, None)
            except (ValueError, TraceContextError) as error:
                raise TypeError(
                    "expected NNX objects of the trace at hand, because the function "
                    f"changes them in place; found {type(value).__name__}, an argument "
                    "made outside a jax.jit, jax.grad or other transformation that "
                    "the call stands in. Hand it to the transformed function too, "
                    "and use nnx.jit or nnx.grad in place of JAX's."
                ) from error


def _objects(tree: Any) -> list[Any]:
    return [n for _, n in nnx.iter_graph(tree, graph=True) if Objects.holds(n)]
