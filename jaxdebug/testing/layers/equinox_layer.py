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


def equinox_layer(
    module: Any, start: Any, kwargs: dict[str, Any], *, batched: bool
) -> Layer:
    """See an Equinox module as functions.

    Args:
        module: with its arrays.
        start: the `equinox.nn.State` that it begins with; None if it takes none.
        kwargs: of its call, besides the mode, a key and a state.
        batched: whether it is of one example, and inputs are of several.

    Raises:
        TypeError: if it takes a state and none is given.
    """
    modes = mode_arguments(type(module).__call__, lambda name: name in kwargs)
    named = inspect.signature(type(module).__call__).parameters
    wants_key = "key" in named
    if start is None and "state" in named and "state" not in kwargs:
        raise TypeError(
            f"expected a state for {type(module).__name__}, whose call takes one; "
            "found the module alone. Give (module, state), as "
            "equinox.nn.make_with_state returns them."
        )
    forms = {
        training: eqx.nn.inference_mode(module, not training)
        for training in (False, True)
    }
    params, rest = eqx.partition(module, eqx.is_inexact_array)
    held, _ = eqx.partition(rest, eqx.is_array)

    def made(variables: Variables, training: bool) -> Any:
        form = eqx.filter(forms[training], eqx.is_array, inverse=True)
        return eqx.combine(variables.params, variables.state[0], form)

    def init(key: Any, args: tuple[Any, ...]) -> Variables:
        return Variables(params, (held, start))

    def apply(
        variables: Variables, key: Any, args: tuple[Any, ...], training: bool
    ) -> tuple[Any, Any]:
        model, told = made(variables, training), in_mode(modes, training)

        def call(key: Any, state: Any, *args: Any) -> tuple[Any, Any]:
            own = {"key": key} if wants_key and "key" not in kwargs else {}
            if state is None:
                return model(*args, **kwargs, **told, **own), None
            return model(*args, state, **kwargs, **told, **own)

        arrays, state = variables.state
        if batched:
            key = jax.random.split(key, jax.tree.leaves(args)[0].shape[0])
            axes = 0, None, *[0] * len(args)
            call = jax.vmap(call, axes, (0, None), axis_name=AXIS)
        out, state = call(key, state, *args)
        return out, (arrays, state)

    def restore(variables: Variables) -> Variables:
        file = io.BytesIO()
        eqx.tree_serialise_leaves(file, variables)
        file.seek(0)
        return eqx.tree_deserialise_leaves(file, variables)

    has_modes = bool(modes) or not eqx.tree_equal(forms[False], forms[True])
    return Layer(type(module).__name__, init, apply, restore, has_modes)
