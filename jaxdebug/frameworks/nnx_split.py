"""Flax NNX: a module as the arrays of its variables, and a copy made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
from flax import nnx

from jaxdebug.frameworks.modules import Form, ModuleArrays, form_key
from jaxdebug.programs.leaves import path_names


def is_module(value: Any) -> bool:
    """Whether it is an NNX module or another of its objects, such as Rngs."""
    return isinstance(value, nnx.Pytree)


def take_apart(module: Any) -> ModuleArrays:
    """The arrays of a module's variables; those of `nnx.Param` are trainable."""
    definition, state = nnx.split(module)
    variables, tree = jax.tree.flatten(state, is_leaf=_is_variable)
    arrays: list[Any] = []
    flags: list[bool] = []
    trees: list[Any] = []
    for variable in variables:
        values, inner = jax.tree.flatten(variable)
        arrays += values
        flags += [isinstance(variable, nnx.Param)] * len(values)
        trees.append(inner)

    def state_of(arrays: Sequence[Any]) -> Any:
        rest = list(arrays)
        made = []
        for inner in trees:
            count = inner.num_leaves
            made.append(jax.tree.unflatten(inner, rest[:count]))
            del rest[:count]
        return jax.tree.unflatten(tree, made)

    def rebuild(arrays: Sequence[Any]) -> Any:
        return nnx.merge(definition, state_of(arrays))

    def parameters(arrays: Sequence[Any]) -> Any:
        # What nnx.Optimizer(model, tx, wrt=nnx.Param) hands to tx.update.
        return nnx.as_pure(nnx.filter_state(state_of(arrays), nnx.Param))

    key = form_key("nnx", definition, tree, tuple(trees))
    form = Form(tuple(path_names(state)), tuple(flags), rebuild, parameters, key)
    return ModuleArrays(arrays, form)


def _is_variable(node: Any) -> bool:
    return isinstance(node, nnx.Variable)
