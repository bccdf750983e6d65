"""An NNX module as functions of the arrays of its variables."""

from __future__ import annotations

from typing import Any

import jax
from flax import nnx

from jaxdebug.testing.layers.layer import Layer, Variables, in_mode, mode_arguments

KINDS = nnx.Param, nnx.RngState, ...


def nnx_layer(module: nnx.Module, kwargs: dict[str, Any]) -> Layer:
    """See a copy of an NNX module as functions.

    Args:
        module: with its arrays; it stays as it is.
        kwargs: of its call, besides the mode.
    """
    modes = mode_arguments(type(module).__call__, lambda name: name in kwargs)
    forms = {}
    for training in (False, True):
        copy = nnx.clone(module)
        if training:
            copy.train()
        else:
            copy.eval()
        forms[training], params, keys, rest = nnx.split(copy, *KINDS)
    variables = Variables(nnx.to_pure_dict(params), nnx.to_pure_dict(rest))

    def made(variables: Variables, training: bool) -> Any:
        parts = _filled(params, variables.params), _filled(rest, variables.state)
        return nnx.merge(forms[training], parts[0], _copy(keys), parts[1])

    def init(key: Any, args: tuple[Any, ...]) -> Variables:
        return variables

    def apply(
        variables: Variables, key: Any, args: tuple[Any, ...], training: bool
    ) -> tuple[Any, Any]:
        model = made(variables, training)
        _begin_at(model, key)
        out = model(*args, **kwargs, **in_mode(modes, training))
        _, _, _, state = nnx.split(model, *KINDS)
        return out, nnx.to_pure_dict(state)

    def restore(variables: Variables) -> Variables:
        _, params, _, rest = nnx.split(made(variables, False), *KINDS)
        return Variables(nnx.to_pure_dict(params), nnx.to_pure_dict(rest))

    has_modes = bool(modes) or forms[False] != forms[True]
    return Layer(type(module).__name__, init, apply, restore, has_modes)


def _copy(state: Any) -> Any:
    """The same arrays in variables of its own, which a trace may change."""
    return jax.tree.map(lambda leaf: leaf, state)


def _filled(state: Any, arrays: Any) -> Any:
    """A copy of a state with other arrays."""
    state = _copy(state)
    nnx.replace_by_pure_dict(state, arrays)
    return state


def _begin_at(model: Any, key: Any) -> None:
    """Have all random streams of a model begin at a key."""
    number = jax.random.key_data(key).reshape(-1)[-1]
    for _, node in nnx.iter_graph(model):
        if isinstance(node, nnx.RngKey):
            node.set_value(jax.random.fold_in(node.get_value(), number))
