"""What is compiled for a gradient check: two programs, run with other numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxdebug.gradients.evidence import Evidence
from jaxdebug.gradients.moves import ALL, GIVEN, Moves
from jaxdebug.programs._jax.threads import side_by_side

CHUNK = 32
"""Most evaluations in one call: the program is compiled for that many."""

Given = tuple[Any, ...]
"""Arguments, cotangents, what directions are drawn from, by how much leaves move, and
the gradient: all in float64."""


class Programs(NamedTuple):
    """Programs of one example, or of many at once."""

    native: Callable[..., Any]
    """Of flat arguments and cotangents: the gradient that is checked."""
    wide: Callable[..., Any]
    """Of what is given and a displacement: evidence. A part of `either`."""
    moved: Callable[..., Any]
    """Of what is given but the gradient, moves and their number: values. Likewise."""
    frozen: Callable[..., Any]
    """The same, where what stop_gradient hands on is held still."""
    either: Callable[..., Any]
    """Evidence, or values if there are any moves."""

    def evidence(
        self, given: Given, points: Sequence[float], device: Any
    ) -> list[Evidence]:
        """What the witnesses say at each point, on the host."""

        def at(point: float) -> Evidence:
            with in_float64(device):
                asked = jax.device_put((point, *STILL))
                return jax.device_get(self.either(*given, *asked)[0])

        return side_by_side(self.either, at, points)

    def values(
        self, given: Given, moves: Moves, device: Any, *, frozen: bool = False
    ) -> np.ndarray:
        """Values after each move, on the host; the program is one for any number."""
        count, found = len(moves.amount), []
        with in_float64(device):
            for start in range(0, count, CHUNK):
                rows = np.arange(start, start + CHUNK) % count
                part = Moves(*(column[rows] for column in moves))
                asked = jax.device_put((part, np.int32(min(CHUNK, count - start))))
                if frozen:
                    found.append(self.frozen(*given[:-1], *asked))
                else:
                    found.append(self.either(*given, jax.device_put(GIVEN), *asked)[1])
            return np.concatenate(jax.device_get(found))[:count]


STILL = (
    Moves(
        np.zeros(CHUNK),
        np.zeros(CHUNK, np.int32),
        np.full(CHUNK, ALL, np.int32),
        np.zeros(CHUNK),
    ),
    np.int32(0),
)
"""No moves, and their number."""


def make_programs(
    native: Callable[..., Any],
    wide: Callable[..., Any],
    moved: Callable[..., Any],
    frozen: Callable[..., Any],
) -> Programs:
    """Programs that are compiled where they run first."""
    wide, moved = jax.jit(wide), jax.jit(moved)
    either = jax.jit(_either(wide, moved))
    return Programs(jax.jit(native), wide, moved, jax.jit(frozen), either)


def _either(wide: Callable[..., Any], moved: Callable[..., Any]) -> Callable[..., Any]:
    """One program of two, so that a check compiles once for both."""

    def run(*every: Any) -> tuple[Any, Any]:
        *given, displacement, moves, count = every

        def evidence() -> Any:
            return wide(*given, displacement)

        def values() -> Any:
            return moved(*given[:-1], moves, count)

        return lax.cond(
            count > 0,
            lambda: (_zeros_like(evidence), values()),
            lambda: (evidence(), _zeros_like(values)),
        )

    return run


def _zeros_like(function: Callable[[], Any]) -> Any:
    # What it calls is jitted: it is traced once for its shapes and for itself.
    shapes = jax.eval_shape(function)
    return jax.tree.map(lambda each: jnp.zeros(each.shape, each.dtype), shapes)


def in_float64(device: Any) -> AbstractContextManager[Any]:
    """64-bit numbers, on a device or on the default one."""
    stack = ExitStack()
    stack.enter_context(jax.enable_x64(True))
    if device is not None:
        stack.enter_context(jax.default_device(device))
    return stack


def has_float64() -> bool:
    """Whether the default device computes in float64."""
    return jax.default_backend() in ("cpu", "gpu", "cuda", "rocm")
