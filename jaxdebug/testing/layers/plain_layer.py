"""A function of arrays as a layer, with parameters or without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxdebug.testing.layers.layer import Layer, Variables, in_mode, mode_arguments


def plain_layer(
    function: Callable[..., Any], params: Any, kwargs: dict[str, Any]
) -> Layer:
    """See a function as a layer.

    Args:
        function: of inputs, or of parameters and inputs.
        params: its first argument; None if it has none.
        kwargs: of its call, besides the mode.
    """
    modes = mode_arguments(function, lambda name: name in kwargs)

    def init(key: Any, args: tuple[Any, ...]) -> Variables:
        return Variables({} if params is None else params, {})

    def apply(
        variables: Variables, key: Any, args: tuple[Any, ...], training: bool
    ) -> tuple[Any, Any]:
        first = () if params is None else (variables.params,)
        return function(*first, *args, **kwargs, **in_mode(modes, training)), {}

    name = getattr(function, "__name__", type(function).__name__)
    return Layer(
        name, init, apply, lambda variables: variables, bool(modes), source=name
    )
