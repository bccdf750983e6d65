"""A gradient transformation as functions of arrays, as layers are."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
from flax import serialization

from jaxdebug.programs.random_keys import is_key
from jaxdebug.testing.layers.layer import Layer, Variables

Extra = Mapping[str, Any] | Callable[[Any, Any], Mapping[str, Any]]
"""Further arguments of the update, or what makes them of gradients and parameters."""


def transformation_layer(tx: Any, params: Any, extra: Extra) -> Layer:
    """See a transformation as a layer: gradients in, updates and new state out.

    Args:
        tx: an `optax.GradientTransformation`, with extra arguments or without.
        params: that it begins with.
        extra: further arguments of its update.
    """

    def init(key: Any, args: tuple[Any, ...]) -> Variables:
        return Variables(params, tx.init(params))

    def apply(
        variables: Variables, key: Any, args: tuple[Any, ...], training: bool
    ) -> tuple[Any, Any]:
        (gradients,) = args
        updates, state = update(tx, gradients, variables, extra)
        return {"updates": updates, "state": state}, state

    def restore(variables: Variables) -> Variables:
        # Flax writes no keys of random numbers, but the numbers that they are of.
        plain = jax.tree.map(_numbers, variables.state)
        read = serialization.from_bytes(plain, serialization.to_bytes(plain))
        return variables._replace(state=jax.tree.map(_as, variables.state, read))

    # Optax's have no name but that of the function that made them.
    name = getattr(tx.init, "__qualname__", type(tx).__name__).partition(".")[0]
    return Layer(name, init, apply, restore, False, (), jax.jit(tx.init))


def update(
    tx: Any, gradients: Any, variables: Variables, extra: Extra, params: Any = ...
) -> tuple[Any, Any]:
    """The updates and the new state.

    Args:
        tx: the transformation.
        gradients: that it is given.
        variables: parameters and state.
        extra: further arguments.
        params: given to it in the place of the parameters.
    """
    own = variables.params if params is ... else params
    further = extra(variables.params, gradients) if callable(extra) else extra
    if not _takes_more(tx):
        further = {}
    return tx.update(gradients, variables.state, own, **further)


def _numbers(leaf: Any) -> Any:
    return jax.random.key_data(leaf) if is_key(leaf) else leaf


def _as(leaf: Any, numbers: Any) -> Any:
    if not is_key(leaf):
        return numbers
    return jax.random.wrap_key_data(numbers, impl=jax.random.key_impl(leaf))


def _takes_more(tx: Any) -> bool:
    kinds = {one.kind for one in inspect.signature(tx.update).parameters.values()}
    return bool(kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.KEYWORD_ONLY})
