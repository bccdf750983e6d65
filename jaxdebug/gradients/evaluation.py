"""Values of a function at moved points, inside a trace with float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxdebug.gradients.draws import Draws, direction
from jaxdebug.gradients.moves import ALL, Moves
from jaxdebug.gradients.witnesses import Witnesses
from jaxdebug.programs.places import is_inexact

Point = Sequence[Array]

TOWARDS = np.uint32(2**32 - 1)
"""Index of the direction in which the point near the given one lies."""

Done = tuple[Array, Array]
"""How many of the moves are done, and the values found."""

Values = Callable[[Point, Point], Sequence[Any]]
"""The flat outputs at a moved point, from the flat arguments at a point and there."""


def evaluate(
    those: Witnesses,
    function: Values,
    leaves: Point,
    cotangents: Sequence[Array],
    drawn: Draws,
    sizes: Array,
    moves: Moves,
    count: Any,
) -> Float[Array, " moves"]:
    """The function after each move, contracted; inside a trace with float64.

    Args:
        those: the programs.
        function: whose values they are.
        leaves: flat arguments, float64 where inexact.
        cotangents: of the inexact outputs.
        drawn: what directions are drawn from.
        sizes: by which each leaf moves for each unit of a direction.
        moves: where to.
        count: how many of the moves are made; the rest is zero.

    Cost:
        One value for each move, one after another, and one draw for each move in
        another direction than the one before.
    """
    contracted = contraction(those, cotangents)
    moving = [leaves[index] for index in those.moving]
    shift = towards(drawn, moving, sizes)

    def value(move: Moves, along: Sequence[Array]) -> Array:
        alone = jnp.arange(len(those.moving)) == move.leaf
        amounts = jnp.where(alone | (move.leaf == ALL), move.amount, 0)
        start = moved(those, leaves, shift, move.point)
        steps = scaled(along, list(amounts * sizes))
        return contracted(function(start, moved(those, start, steps, 1.0)))

    def same_direction(done: Done) -> Done:
        first, values = done
        index = moves.direction[first]
        along = direction(drawn, index, moving)

        def one(done: Done) -> Done:
            row, values = done
            found = value(Moves(*(column[row] for column in moves)), along)
            return row + 1, values.at[row].set(found)

        def is_along(done: Done) -> Array:
            row, _ = done
            return (row < count) & (moves.direction[row] == index)

        return lax.while_loop(is_along, one, (first, values))

    start = jnp.zeros((), jnp.int32), jnp.zeros(moves.amount.shape)
    return lax.while_loop(lambda done: done[0] < count, same_direction, start)[1]


def towards(drawn: Draws, moving: Sequence[Any], sizes: Array) -> list[Array]:
    """The direction to the point near the given one, each leaf in its scale."""
    return scaled(direction(drawn, TOWARDS, moving), list(sizes))


def moved(
    those: Witnesses, start: Point, along: Sequence[Any], amount: Any
) -> list[Array]:
    """All flat arguments, with the moving ones displaced.

    Args:
        those: say which ones move.
        start: all flat arguments.
        along: by which each moves.
        amount: how often.
    """
    every = list(start)
    for place, step in zip(those.moving, along, strict=True):
        every[place] = start[place] + amount * step
    return every


def scaled(arrays: Sequence[Any], sizes: Sequence[Any]) -> list[Array]:
    """Each array times its size."""
    return [size * array for array, size in zip(arrays, sizes, strict=True)]


def contraction(
    those: Witnesses, cotangents: Sequence[Array]
) -> Callable[[Sequence[Any]], Array]:
    """The sum of the inexact outputs times their cotangents."""
    inexact = [
        index
        for index, aval in enumerate(those.function.program.jaxpr.out_avals)
        if is_inexact(aval)
    ]

    def contracted(results: Sequence[Any]) -> Array:
        total = jnp.zeros(())
        for index, cotangent in zip(inexact, cotangents, strict=True):
            total = total + jnp.sum(jnp.real(cotangent * results[index]))
        return total

    return contracted
