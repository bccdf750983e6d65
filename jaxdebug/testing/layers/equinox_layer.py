"""An Equinox module, which is of one example, as functions of its arrays."""

from __future__ import annotations

import inspect
import io
from typing import Any

import equinox as eqx
import jax

from jaxdebug.testing.layers.layer import Layer, Variables, in_mode, mode_arguments

AXIS = "batch"
"""Name of the axis of examples, as Equinox's BatchNorm is told it mostly."""


def equinox_layer(module: Any, kwargs: dict[str, Any], *, batched: bool) -> Layer:
    """See an Equinox module as functions.

    Args:
        module: with its arrays.
        kwargs: of its call, besides the mode and a key.
        batched: whether it is of one example, and inputs are of several.
    """
    modes = mode_arguments(type(module).__call__, lambda name: name in kwargs)
    wants_key = "key" in inspect.signature(type(module).__call__).parameters
    forms = {
        training: eqx.nn.inference_mode(module, not training)
        for training in (False, True)
    }
    params, rest = eqx.partition(module, eqx.is_inexact_array)
    state, _ = eqx.partition(rest, eqx.is_array)

    def made(variables: Variables, training: bool) -> Any:
        form = eqx.filter(forms[training], eqx.is_array, inverse=True)
        return eqx.combine(variables.params, variables.state, form)

    def init(key: Any, args: tuple[Any, ...]) -> Variables:
        return Variables(params, state)

    def apply(
        variables: Variables, key: Any, args: tuple[Any, ...], training: bool
    ) -> tuple[Any, Any]:
        model, told = made(variables, training), in_mode(modes, training)

        def call(key: Any, *args: Any) -> Any:
            named = {"key": key} if wants_key and "key" not in kwargs else {}
            return model(*args, **kwargs, **told, **named)

        if not batched:
            return call(key, *args), variables.state
        count = jax.tree.leaves(args)[0].shape[0]
        mapped = jax.vmap(call, axis_name=AXIS)
        return mapped(jax.random.split(key, count), *args), variables.state

    def restore(variables: Variables) -> Variables:
        file = io.BytesIO()
        eqx.tree_serialise_leaves(file, variables)
        file.seek(0)
        return eqx.tree_deserialise_leaves(file, variables)

    has_modes = bool(modes) or not eqx.tree_equal(forms[False], forms[True])
    return Layer(type(module).__name__, init, apply, restore, has_modes)
