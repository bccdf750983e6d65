"""A Linen module as functions of its variables."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import flax.linen as nn
import jax
from flax import serialization

from jaxdebug.testing.layers.again import is_plain
from jaxdebug.testing.layers.layer import Layer, Variables, in_mode, mode_arguments


def linen_layer(module: nn.Module, kwargs: dict[str, Any]) -> Layer:
    """See a Linen module as functions.

    Args:
        module: that is not bound.
        kwargs: of its call, besides the mode.
    """

    def is_taken(name: str) -> bool:
        return name in kwargs or getattr(module, name, None) is not None

    modes = mode_arguments(type(module).__call__, is_taken)

    def init(key: Any, args: tuple[Any, ...]) -> Variables:
        # A name that a module asks for and is not given takes the stream of `params`.
        found = module.init({"params": key}, *args, **kwargs, **in_mode(modes, False))
        return _variables(found)

    def apply(
        variables: Variables, key: Any, args: tuple[Any, ...], training: bool
    ) -> tuple[Any, Any]:
        out, state = module.apply(
            {"params": variables.params, **variables.state},
            *args,
            **kwargs,
            **in_mode(modes, training),
            rngs={"params": key},
            mutable=[*variables.state],
        )
        return out, dict(state)

    def restore(variables: Variables) -> Variables:
        data = serialization.to_bytes(variables._asdict())
        empty = jax.tree.map(lambda leaf: leaf * 0, variables._asdict())
        return Variables(**serialization.from_bytes(empty, data))

    name = type(module).__name__
    return Layer(name, init, apply, restore, bool(modes), source=_source(module))


def _source(module: nn.Module) -> str:
    """The call that makes a module, if its attributes are numbers and words."""
    given = {
        field.name: getattr(module, field.name)
        for field in fields(module)
        if field.name not in ("parent", "name")
        and getattr(module, field.name) is not field.default
    }
    if not all(map(is_plain, given.values())):
        return ""
    words = ", ".join(f"{name}={value!r}" for name, value in given.items())
    return f"{type(module).__name__}({words})"


def _variables(found: Any) -> Variables:
    state = {name: tree for name, tree in found.items() if name != "params"}
    return Variables(found.get("params", {}), state)
