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
        moves: where to; from the given point and from one other at most.
        count: how many of the moves are made; the rest is zero.

    Cost:
        One value for each move, one after another; one draw for each that has
        another point or direction than the one before.
    """
    contracted = contraction(those, cotangents)
    near = displaced(those, leaves, drawn, sizes, jnp.max(moves.point))
    moving = [leaves[index] for index in those.moving]

    def value(start: Point, along: Sequence[Array], move: Moves) -> Array:
        alone = jnp.arange(len(those.moving)) == move.leaf
        amounts = jnp.where(alone | (move.leaf == ALL), move.amount, 0)
        steps = scaled(along, list(amounts * sizes))
        return contracted(function(start, moved(those, start, steps, 1.0)))

    def of_one_line(done: Done) -> Done:
        """All moves that follow one another from one point in one direction."""
        first, _ = done
        point, index = moves.point[first], moves.direction[first]
        start = lax.cond(point > 0, lambda: near, lambda: list(leaves))
        along = direction(drawn, index, moving)

        def one(done: Done) -> Done:
            row, values = done
            found = value(start, along, Moves(*(column[row] for column in moves)))
            return row + 1, values.at[row].set(found)

        def is_on_line(done: Done) -> Array:
            row, _ = done
            here = (moves.direction[row] == index) & (moves.point[row] == point)
            return (row < count) & here

        return lax.while_loop(is_on_line, one, done)

    start = jnp.zeros((), jnp.int32), jnp.zeros(moves.amount.shape)
    return lax.while_loop(lambda done: done[0] < count, of_one_line, start)[1]


def displaced(
    those: Witnesses, leaves: Point, drawn: Draws, sizes: Array, displacement: Any
) -> list[Array]:
    """The point near the given one; the given one itself if it is displaced by 0.

    Args:
        those: say which leaves move.
        leaves: flat arguments.
        drawn: what directions are drawn from.
        sizes: by which each leaf moves for each unit of a direction.
        displacement: relative to each leaf's scale.
    """

    def near() -> list[Array]:
        moving = [leaves[index] for index in those.moving]
        return moved(those, leaves, towards(drawn, moving, sizes), displacement)

    return lax.cond(displacement > 0, near, lambda: list(leaves))


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
