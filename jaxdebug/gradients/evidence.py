"""What the witnesses say of a gradient, measured in one float64 program.

At two points, the given one and one displaced by a thousandth of each leaf's
scale: the gradient against that of the function without custom rules, every
coordinate; and each custom rule against its own function. Beside them stand values
of the function along random directions, whose differences need no derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxdebug.gradients.blocks import Box
from jaxdebug.gradients.call_gaps import Gaps
from jaxdebug.gradients.coordinates import ROUNDED_OFF, Coordinates, compared, wrong_box
from jaxdebug.gradients.custom_calls import CallSite
from jaxdebug.gradients.draws import Draws, direction, scales
from jaxdebug.gradients.isolation import isolation_tool
from jaxdebug.gradients.moves import ALL, Moves
from jaxdebug.programs._jax import dtypes
from jaxdebug.programs.equation import Address
from jaxdebug.programs.program import Program, Transformed, transform
from jaxdebug.programs.rules.table import DEFAULT_RULES
from jaxdebug.programs.shadow import Shadowed, shadow_program, shadow_tool
from jaxdebug.programs.strip import stripped_rules

Point = Sequence[Array]


class Witnesses(NamedTuple):
    """The programs that bear witness of one gradient, traced once."""

    function: Shadowed
    """The flat outputs."""
    gradient: Shadowed
    """Of all flat arguments and cotangents: outputs, then the gradient."""
    isolation: Transformed
    stripped: Transformed
    sites: tuple[CallSite, ...]
    moving: tuple[int, ...]
    """Indices of the arguments that are differentiated by."""
    native: tuple[str, ...]
    """Primitives that run in their native dtype also here."""
    rounding: float = 0.0
    """What those primitives round to, relative to the largest coordinate."""
    refused: Mapping[Address, str] = {}
    """Calls that JAX cannot differentiate twice, and why, if that was asked."""


class Evidence(NamedTuple):
    """What the witnesses say at each point; leading axis of all: points."""

    value: Float[Any, " points"]
    """The function, contracted with the cotangents."""
    slopes: Float[Any, "points directions leaves"]
    """What the gradient says the function does along each direction."""
    size: Float[Any, "points leaves"]
    """Norm of each leaf's gradient times the leaf's scale."""
    coordinates: Coordinates
    """(points, leaves), against the gradient without custom rules."""
    rules: tuple[Gaps, ...]
    """One for each call of a custom rule."""
    forward: Float[Any, " points"] | None
    """Slope along the first direction, by forward mode; None where a custom_vjp on
    the way has none."""
    precision: Any = None
    """(leaves,) relative error of the native gradient, at the given point."""
    scales: Any = None
    """(leaves,) by which a leaf moves for each unit of a direction."""
    boxes: Box | None = None
    """(points, leaves) around the coordinates that disagree."""


def witnesses(
    program: Program,
    gradient: Program,
    moving: Sequence[int],
    sites: Sequence[CallSite],
    expected: frozenset[CallSite] = frozenset(),
    order: int = 1,
    plain: Program | None = None,
) -> Witnesses:
    """Make the float64 programs.

    Args:
        program: of the flat outputs.
        gradient: of all flat arguments and cotangents: outputs, then the gradient.
        moving: indices of the arguments that are differentiated by.
        sites: the calls of custom rules.
        expected: those whose rule is meant to differ from the function.
        order: 2 for the second derivatives of the calls too.
        plain: the function without custom rules, if it is another program.
    """
    refused: dict[Address, str] = {}
    native: dict[str, float] = {}
    kept = {s.address for s in sites if s in expected or s.body != "reverse"}
    rules = stripped_rules(lambda equation: equation.address in kept)
    with jax.enable_x64(True):
        avals = [dtypes.wide_aval(aval) for aval in program.jaxpr.in_avals]
        isolated = isolation_tool(sites, native, order, refused)
        isolation = transform(program, isolated, avals=avals)
        stripped = transform(
            plain or program,
            shadow_tool(native),
            avals=avals,
            rules=DEFAULT_RULES if plain else rules,
        )
    shadow, shadow_gradient = shadow_program(program), shadow_program(gradient)
    names = {*native, *shadow.native, *shadow_gradient.native}
    return Witnesses(
        shadow,
        shadow_gradient,
        isolation,
        stripped,
        tuple(sites),
        tuple(moving),
        tuple(sorted(names)),
        ROUNDED_OFF * max(native.values(), default=0.0),
        refused,
    )


def gather(
    those: Witnesses,
    leaves: Sequence[Array],
    cotangents: Sequence[Array],
    native: Sequence[Array],
    drawn: Draws,
    directions: int,
    points: Sequence[float],
) -> Evidence:
    """Ask every witness, inside a trace with float64.

    Args:
        those: the programs.
        leaves: flat arguments, float64 where inexact.
        cotangents: of the inexact outputs, float64.
        native: the gradient in the working precision, widened.
        drawn: what directions are drawn from.
        directions: how many there are; the next one leads to the points.
        points: displacement of each point, relative to each leaf's scale.

    Cost:
        For each point two gradients, one value, and what `isolation_tool` states;
        the memory of two gradients and four copies of the leaves.
    """
    moving = [leaves[index] for index in those.moving]
    sizes = scales(moving, native)
    along = mover(those, leaves, sizes, drawn)
    contracted = contraction(those, cotangents)
    rank = max(leaf.ndim for leaf in moving)

    def without_rules(every: Sequence[Any]) -> Any:
        def function(moving: Sequence[Any]) -> Array:
            full = list(every)
            for place, leaf in zip(those.moving, moving, strict=True):
                full[place] = leaf
            return contracted(those.stripped(full)[0])

        return jax.grad(function)([every[place] for place in those.moving])

    def forward(every: Point) -> Array | None:
        if any(site.equation.primitive == "custom_vjp_call" for site in those.sites):
            return None
        start = [every[place] for place in those.moving]
        drawn_ = direction(drawn, 0, moving)
        moves = [s * d for s, d in zip(sizes, drawn_, strict=True)]

        def function(moving: list[Array]) -> Array:
            full = list(every)
            for place, leaf in zip(those.moving, moving, strict=True):
                full[place] = leaf
            return contracted(those.function.apply(full))

        return jax.jvp(function, (start,), (moves,))[1]

    def at_point(displacement: Array) -> tuple[Evidence, Array]:
        every = along(leaves, directions, [displacement] * len(moving))
        results, records = those.isolation(every)
        gradient = those.gradient.apply([*every, *cotangents])[len(results) :]
        pairs = [*zip(gradient, without_rules(every), strict=True)]
        coordinates = [compared(found, expected) for found, expected in pairs]
        norms = jnp.stack([_norm(g) for g in gradient]) * jnp.stack(sizes)
        whole = jnp.sqrt(jnp.nansum(norms**2))
        boxes = [
            wrong_box(*pair, whole / size, those.rounding, rank)
            for pair, size in zip(pairs, sizes, strict=True)
        ]

        def slope(index: Array) -> Array:
            pairs = zip(gradient, direction(drawn, index, moving), sizes, strict=True)
            return jnp.stack([jnp.sum(jnp.real(g * (s * d))) for g, d, s in pairs])

        found = Evidence(
            contracted(results),
            lax.map(slope, jnp.arange(directions)),
            norms,
            _stacked(coordinates),
            tuple(records[site.address] for site in those.sites),
            forward(every),
            boxes=_stacked(boxes),
        )
        errors = [
            _norm(n - g) / jnp.where(_norm(g) > 0, _norm(g), 1)
            for n, g in zip(native, gradient, strict=True)
        ]
        return found, jnp.stack(errors)

    found, precision = lax.map(at_point, jnp.asarray(points))
    return found._replace(precision=precision[0], scales=jnp.stack(sizes))


def evaluate(
    those: Witnesses,
    function: Callable[[Point, Point], Sequence[Any]],
    leaves: Point,
    cotangents: Sequence[Array],
    drawn: Draws,
    sizes: Array,
    moves: Moves,
    directions: int,
) -> Float[Array, " moves"]:
    """The function after each move, contracted; inside a trace with float64.

    Args:
        those: the programs.
        function: the flat outputs, of the flat arguments at a point and moved.
        leaves: flat arguments, float64 where inexact.
        cotangents: of the inexact outputs.
        drawn: what directions are drawn from.
        sizes: by which each leaf moves for each unit of a direction.
        moves: where to.
        directions: the one that leads to the points.

    Cost:
        One value for each move, one after another.
    """
    along = mover(those, leaves, list(sizes), drawn)
    contracted = contraction(those, cotangents)
    count = len(those.moving)

    def moved(move: Moves) -> Array:
        alone = jnp.arange(count) == move.leaf
        amounts = jnp.where(alone | (move.leaf == ALL), move.amount, 0)
        start = along(leaves, directions, [move.point] * count)
        return contracted(function(start, along(start, move.direction, list(amounts))))

    return lax.map(moved, moves)


Mover = Callable[[Point, Any, Sequence[Any]], list[Array]]


def mover(those: Witnesses, leaves: Point, scales: Point, drawn: Draws) -> Mover:
    """Moves leaves from a point along a direction, each by its amount."""
    like = [leaves[index] for index in those.moving]

    def along(start: Point, which: Any, amounts: Sequence[Any]) -> list[Array]:
        every = list(start)
        for place, d, amount, size in zip(
            those.moving, direction(drawn, which, like), amounts, scales, strict=True
        ):
            every[place] = start[place] + amount * size * d
        return every

    return along


def contraction(
    those: Witnesses, cotangents: Sequence[Array]
) -> Callable[[Sequence[Any]], Array]:
    """The sum of the inexact outputs times their cotangents."""
    inexact = [
        index
        for index, aval in enumerate(those.function.program.jaxpr.out_avals)
        if jax.dtypes.issubdtype(aval.dtype, np.inexact)
    ]

    def contracted(results: Sequence[Any]) -> Array:
        total = jnp.zeros(())
        for index, cotangent in zip(inexact, cotangents, strict=True):
            total = total + jnp.sum(jnp.real(cotangent * results[index]))
        return total

    return contracted


def _stacked(each: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *parts: jnp.stack(parts), *each)


def _norm(array: Array) -> Array:
    return jnp.linalg.norm(array.reshape(-1))
