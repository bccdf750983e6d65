"""Which framework a layer is written in."""

from __future__ import annotations

import sys
from typing import Any

from jaxdebug.testing.layers.layer import Layer


def as_layer(
    layer: Any, params: Any, kwargs: dict[str, Any], *, batched: bool
) -> Layer:
    """See a layer as functions; frameworks that it is not of are not imported.

    Args:
        layer: a Linen, NNX or Equinox module, an Equinox module with its state, or a
            function.
        params: of a function, its first argument; None if it has none.
        kwargs: of its call.
        batched: whether inputs are of several examples.

    Raises:
        TypeError: if it is none of them, or `params` are given for a module.
    """
    found: Layer | None = None
    module, state = _apart(layer)
    if _is_of("flax.linen", "Module", module):
        from jaxdebug.testing.layers.linen_layer import linen_layer

        found = linen_layer(module, kwargs)
    elif _is_of("flax.nnx", "Module", module):
        from jaxdebug.testing.layers.nnx_layer import nnx_layer

        found = nnx_layer(module, kwargs)
    elif _is_of("equinox", "Module", module):
        from jaxdebug.testing.layers.equinox_layer import equinox_layer

        found = equinox_layer(module, state, kwargs, batched=batched)
    if found is not None:
        if params is not None:
            raise TypeError(
                "expected params for a function alone; "
                f"{type(module).__name__} has parameters of its own"
            )
        return found
    if isinstance(layer, type) or not callable(layer):
        raise TypeError(
            "expected a layer: a Linen, NNX or Equinox module that is made, or a "
            f"function of arrays; found {layer!r}"
        )
    from jaxdebug.testing.layers.plain_layer import plain_layer

    return plain_layer(layer, params, kwargs)


def _apart(layer: Any) -> tuple[Any, Any]:
    """A module of Equinox and its state; or what it is, and None."""
    is_pair = isinstance(layer, tuple) and len(layer) == 2
    if is_pair and _is_of("equinox.nn", "State", layer[1]):
        return layer[0], layer[1]
    return layer, None


def _is_of(module: str, name: str, layer: Any) -> bool:
    """Whether it is an instance of a framework's class, if that is imported at all."""
    found = getattr(sys.modules.get(module), name, None)
    return found is not None and isinstance(layer, found)
