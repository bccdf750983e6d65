"""From a name stack to a module path and a direction of differentiation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

from jaxdebug.programs._jax.source import Scope

RECOMPUTED_SCOPE = "rematted_computation"
"""What JAX calls the forward part that remat runs again in the backward pass."""

EINSUM_SCOPE = re.compile(r"[\w.,]*->[\w.]*")
"""jax.numpy.einsum opens a scope named after its subscripts: no layer of anyone's."""

WITHIN = "jaxdebug, within "
"""Begins the name of a scope in which a module was called whose framework opens none:
it names no layer, which is called after its parameters, but what no layer holds."""

ModulePath = tuple[str, ...]


class Direction(Enum):
    """Which way a program runs at an equation."""

    FORWARD = "forward"
    BACKWARD = "backward"
    RECOMPUTED = "recomputed"


def direction_of(stack: Sequence[Scope]) -> Direction:
    """Backward below a transpose, except what remat computes again."""
    transposed = False
    for scope in stack:
        if scope.transform:
            transposed = transposed or scope.name == "transpose"
        elif scope.name == RECOMPUTED_SCOPE:
            return Direction.RECOMPUTED
    return Direction.BACKWARD if transposed else Direction.FORWARD


def path_of(stack: Sequence[Scope]) -> ModulePath:
    """The scopes that the user or the framework opened, outermost first."""
    return tuple(
        scope.name
        for scope in stack
        if not scope.transform
        and scope.name != RECOMPUTED_SCOPE
        and not EINSUM_SCOPE.fullmatch(scope.name)
        and not scope.name.startswith(WITHIN)
    )


def module_around(stack: Sequence[Scope]) -> str:
    """Path of the innermost module that a framework without scopes called, or ""."""
    names = (s.name for s in reversed(stack) if s.name.startswith(WITHIN))
    return next(names, "").removeprefix(WITHIN)
