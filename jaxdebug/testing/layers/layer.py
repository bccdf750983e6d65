"""A layer as functions of arrays, whatever framework it is written in."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

from jaxdebug.programs.places import is_inexact

TRAINING = {
    **dict.fromkeys(("train", "training", "is_training"), True),
    **dict.fromkeys(("deterministic", "use_running_average", "inference"), False),
}
"""Arguments by which layers are told the mode, and their value in training."""


class Variables(NamedTuple):
    """What a layer computes with besides its inputs."""

    params: Any
    """Arrays that are trained."""
    state: Any
    """All others: statistics, counters, keys."""


class Layer(NamedTuple):
    """A layer as pure functions."""

    name: str
    init: Callable[[Any, tuple[Any, ...]], Variables]
    """Of a key and inputs."""
    apply: Callable[[Variables, Any, tuple[Any, ...], bool], tuple[Any, Any]]
    """Of variables, a key, inputs, and whether it is training: outputs, new state."""
    restore: Callable[[Variables], Variables]
    """Variables written down by the framework's own means, and read back."""
    has_modes: bool
    """Whether it is told if it is training."""
    argnums: tuple[int, ...] | None = None
    """Inputs that are differentiated by; None for all."""
    state_of: Callable[[Any], Any] | None = None
    """The state that it begins with, of parameters that are not those of `init`; None
    where it does not depend on them."""
    source: str = ""
    """How it is written in a line that tries it again, if that is known."""

    @property
    def made(self) -> str:
        """How it is written in a line that tries it again."""
        return self.source or f"{self.name}(...)"

    def moving(self, args: tuple[Any, ...]) -> list[bool]:
        """Of each flat input, whether it is differentiated by."""
        among = range(len(args)) if self.argnums is None else self.argnums
        return [
            i in among and is_inexact(jax.typeof(leaf))
            for i, arg in enumerate(args)
            for leaf in jax.tree.leaves(arg)
        ]


def mode_arguments(
    function: Callable[..., Any], taken: Callable[[str], bool] = lambda name: False
) -> Mapping[str, bool]:
    """Arguments of a function that tell it the mode, with their value in training.

    Args:
        function: the call of a layer.
        taken: whether the layer knows one of them already.
    """
    try:
        names = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a builtin
        return {}
    return {
        name: TRAINING[name] for name in names if name in TRAINING and not taken(name)
    }


def in_mode(arguments: Mapping[str, bool], training: bool) -> dict[str, Any]:
    """The same arguments with the values of a mode."""
    return {name: value is training for name, value in arguments.items()}
