"""Which elements of a leaf are wrong, as a box in index notation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int


@dataclass(frozen=True)
class Block:
    """A box of elements that holds wrong ones.

    Attributes:
        start: first index along each axis.
        stop: one past the last.
        wrong: how many elements in it are wrong; -1 if they were not counted.
        exact: whether no smaller box holds them all; if not, noise hides where in
            it they are, or the evaluations were used up.
    """

    start: tuple[int, ...]
    stop: tuple[int, ...]
    wrong: int = -1
    exact: bool = True

    @property
    def size(self) -> int:
        """How many elements the box has."""
        return math.prod(self.lengths)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Of the box along each axis."""
        return tuple(b - a for a, b in zip(self.start, self.stop, strict=True))

    def named(self, path: str, shape: Sequence[int]) -> str:
        """The box as an index of a leaf, as in `kernel[:, 0:16]`.

        Example:
            >>> Block((0, 3), (8, 4), 5).named("kernel", (8, 16))
            'kernel[:, 3] (5 of 8 elements)'
        """
        parts = [
            ":" if (a, b) == (0, length) else str(a) if b == a + 1 else f"{a}:{b}"
            for a, b, length in zip(self.start, self.stop, shape, strict=True)
        ]
        whole = all(part == ":" for part in parts)
        text = path if whole else f"{path}[{', '.join(parts)}]"
        if 0 <= self.wrong < self.size:
            text += f" ({self.wrong} of {self.size} elements)"
        return text if self.exact else f"within {text}"


def whole_block(shape: Sequence[int]) -> Block:
    """All elements of a leaf."""
    return Block((0,) * len(shape), tuple(shape))


class Box(NamedTuple):
    """A bounding box on the device; axes that a leaf lacks are 0."""

    wrong: Float[Any, "*arrays"]
    """How many elements are wrong."""
    start: Int[Any, "*arrays rank"]
    stop: Int[Any, "*arrays rank"]

    def at(self, place: tuple[int, ...], rank: int) -> tuple[Block, ...]:
        """One box, on the host, of an array with so many axes; none if it is empty."""
        wrong = int(self.wrong[place])
        if not wrong:
            return ()
        start, stop = (np.asarray(part)[place][:rank] for part in self[1:])
        return (Block(tuple(map(int, start)), tuple(map(int, stop)), wrong),)


def bounding_box(wrong: Array, rank: int) -> Box:
    """The smallest box that holds the true elements of a mask.

    Args:
        wrong: the mask.
        rank: length of the indices; at least the number of axes.

    Cost:
        One reduction for each axis.
    """
    start, stop = [], []
    for axis, length in enumerate(wrong.shape):
        if not wrong.size:
            start, stop = [*start, jnp.int32(0)], [*stop, jnp.int32(0)]
            continue
        others = tuple(other for other in range(wrong.ndim) if other != axis)
        here = jnp.any(wrong, axis=others)
        place = lax.iota(jnp.int32, length)
        start.append(jnp.min(jnp.where(here, place, length)))
        stop.append(jnp.max(jnp.where(here, place + 1, 0)))
    pad = [jnp.int32(0)] * (rank - wrong.ndim)
    empty = jnp.zeros((0,), jnp.int32)
    return Box(
        jnp.sum(wrong).astype(jnp.float64),
        jnp.stack([*start, *pad]) if rank else empty,
        jnp.stack([*stop, *pad]) if rank else empty,
    )
