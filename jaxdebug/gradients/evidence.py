"""What the witnesses say of a gradient, measured in one float64 program.

At two points, the given one and one displaced by a thousandth of each leaf's
scale: the gradient against that of the function without custom rules, every
coordinate; and each custom rule against its own function. Beside them stand values
of the function along random directions, whose differences need no derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxdebug.gradients.call_gaps import Gaps
from jaxdebug.gradients.coordinates import NO_GAP, Coordinates, compared
from jaxdebug.gradients.custom_calls import CallSite
from jaxdebug.gradients.draws import Draws, direction
from jaxdebug.gradients.isolation import isolation_tool
from jaxdebug.gradients.moves import ALL, Moves
from jaxdebug.programs._jax import dtypes
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.program import Program, Transformed, transform
from jaxdebug.programs.shadow import Shadowed, shadow_program, shadow_tool
from jaxdebug.programs.strip import stripped_rules

Point = Sequence[Array]

Values = Callable[[Point, Point], Sequence[Any]]
"""The flat outputs at a moved point, from the flat arguments at a point and there."""


class Witnesses(NamedTuple):
    """The programs that bear witness of one gradient, traced once."""

    function: Shadowed
    """The flat outputs."""
    gradient: Shadowed
    """Of all flat arguments and cotangents: outputs, then the gradient."""
    isolation: Transformed | None
    """The outputs, and what each call of a rule says; None if there is none."""
    stripped: Transformed | None
    """The outputs without custom rules; None if JAX's gradient has none to strip."""
    sites: tuple[CallSite, ...]
    moving: tuple[int, ...]
    """Indices of the arguments that are differentiated by."""
    forward: bool
    """Whether forward mode is heard."""
    native: tuple[str, ...]
    """Primitives that run in their native dtype also here."""


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
    forward: Float[Any, "points 2"] | None
    """Slope towards the point nearby, by forward mode, and the gradient's there; None
    where both modes are one by construction."""
    precision: Any = None
    """(leaves,) relative error of the native gradient, at the given point."""
    scales: Any = None
    """(leaves,) by which a leaf moves for each unit of a direction."""


TRANSPOSED = frozenset({"linear_call", "custom_linear_solve", "custom_transpose_call"})
"""Primitives whose transpose somebody wrote: forward and reverse mode may differ. All
others JAX transposes itself, also what a custom_jvp makes."""


def witnesses(
    program: Program,
    gradient: Program,
    moving: Sequence[int],
    sites: Sequence[CallSite],
    expected: frozenset[CallSite] = frozenset(),
    *,
    handed_in: bool = False,
    primitives: Collection[str] = (),
) -> Witnesses:
    """Make the float64 programs.

    Args:
        program: of the flat outputs.
        gradient: of all flat arguments and cotangents: outputs, then the gradient.
        moving: indices of the arguments that are differentiated by.
        sites: the calls of custom rules.
        expected: those whose rule is meant to differ from the function.
        handed_in: whether the gradient is somebody else's and not JAX's.
        primitives: of the program.
    """
    native: dict[str, None] = {}
    kept = {s.address for s in sites if s in expected or s.body != "reverse"}
    isolation = stripped = None
    with jax.enable_x64(True):
        avals = [dtypes.wide_aval(aval) for aval in program.jaxpr.in_avals]
        if sites:
            isolation = transform(program, isolation_tool(sites, native), avals=avals)
        if handed_in or len(kept) < len(sites):
            rules = stripped_rules(lambda equation: equation.address in kept)
            stripped = transform(program, shadow_tool(native), avals=avals, rules=rules)
    shadow, shadow_gradient = shadow_program(program), shadow_program(gradient)
    names = {*native, *shadow.native, *shadow_gradient.native}
    has_forward = all(s.equation.primitive != "custom_vjp_call" for s in sites)
    return Witnesses(
        shadow,
        shadow_gradient,
        isolation,
        stripped,
        tuple(sites),
        tuple(moving),
        has_forward and not TRANSPOSED.isdisjoint(primitives),
        tuple(sorted(names)),
    )


def gather(
    those: Witnesses,
    leaves: Sequence[Array],
    cotangents: Sequence[Array],
    native: Sequence[Array],
    drawn: Draws,
    sizes: Float[Array, " leaves"],
    directions: int,
    points: Sequence[float],
) -> tuple[Evidence, list[Array]]:
    """Ask every witness, inside a trace with float64.

    Args:
        those: the programs.
        leaves: flat arguments, float64 where inexact.
        cotangents: of the inexact outputs, float64.
        native: the gradient in the working precision, widened.
        drawn: what directions are drawn from.
        sizes: by which each leaf moves for each unit of a direction.
        directions: how many there are; the next one leads to the points.
        points: displacement of each point, relative to each leaf's scale.

    Returns:
        What they say, and the direction to the points, each leaf in its scale.

    Cost:
        For each point one gradient; with custom rules another one, one value, and
        what `isolation_tool` states. The memory of two gradients and five copies of
        the leaves.
    """
    moving = [leaves[index] for index in those.moving]
    shift = _scaled(direction(drawn, directions, moving), list(sizes))
    contracted = _contraction(those, cotangents)

    def moved(every: Point, run: Callable[[Point], Any]) -> tuple[Any, list[Array]]:
        """A function of the moving leaves alone, and where they are."""

        def function(moving: Sequence[Any]) -> Array:
            full = list(every)
            for place, leaf in zip(those.moving, moving, strict=True):
                full[place] = leaf
            return contracted(run(full))

        return function, [every[place] for place in those.moving]

    def at_point(displacement: Array) -> tuple[Evidence, Array]:
        every = _moved(those, leaves, shift, displacement)
        made = those.gradient.apply([*every, *cotangents])
        results, gradient = made[: -len(moving)], made[-len(moving) :]
        records: Mapping[Any, Gaps] = {}
        if those.isolation is not None:
            results, records = those.isolation(every)
        # Without custom rules there is no other gradient to compare with.
        coordinates, forward = [NO_GAP] * len(moving), None
        if those.stripped is not None:
            stripped = those.stripped
            function, start = moved(every, lambda full: stripped(full)[0])
            pairs = zip(gradient, jax.grad(function)(start), strict=True)
            coordinates = [compared(*pair) for pair in pairs]
        if those.forward:
            function, start = moved(every, those.function.apply)
            _, slope = jax.jvp(function, (start,), (shift,))
            forward = jnp.stack([slope, _pair(gradient, shift).sum()])

        def slopes(index: Array) -> Array:
            along = _scaled(direction(drawn, index, moving), list(sizes))
            return _pair(gradient, along)

        found = Evidence(
            contracted(results),
            lax.map(slopes, jnp.arange(directions)),
            jnp.stack([*map(_norm, gradient)]) * sizes,
            _stacked(coordinates),
            tuple(records[site.address] for site in those.sites),
            forward,
        )
        errors = [
            _norm(n - g) / jnp.where(_norm(g) > 0, _norm(g), 1)
            for n, g in zip(native, gradient, strict=True)
        ]
        return found, jnp.stack(errors)

    found, precision = lax.map(at_point, jnp.asarray(points))
    return found._replace(precision=precision[0], scales=sizes), shift


def evaluate(
    those: Witnesses,
    function: Values,
    leaves: Point,
    cotangents: Sequence[Array],
    drawn: Draws,
    sizes: Array,
    shift: Sequence[Array],
    moves: Moves,
) -> Float[Array, " moves"]:
    """The function after each move, contracted; inside a trace with float64.

    Args:
        those: the programs.
        function: whose values they are.
        leaves: flat arguments, float64 where inexact.
        cotangents: of the inexact outputs.
        drawn: what directions are drawn from.
        sizes: by which each leaf moves for each unit of a direction.
        shift: the direction to the points.
        moves: where to.

    Cost:
        One value for each move, one after another.
    """
    contracted = _contraction(those, cotangents)
    count = len(those.moving)

    def moved(move: Moves) -> Array:
        alone = jnp.arange(count) == move.leaf
        amounts = jnp.where(alone | (move.leaf == ALL), move.amount, 0)
        start = _moved(those, leaves, shift, move.point)
        along = direction(drawn, move.direction, shift)
        steps = _scaled(_scaled(along, list(sizes)), list(amounts))
        return contracted(function(start, _moved(those, start, steps, 1.0)))

    return lax.map(moved, moves)


def _moved(
    those: Witnesses, start: Point, along: Sequence[Any], amount: Any
) -> list[Array]:
    """All flat arguments, with the moving ones displaced."""
    every = list(start)
    for place, step in zip(those.moving, along, strict=True):
        every[place] = start[place] + amount * step
    return every


def _scaled(arrays: Sequence[Any], sizes: Sequence[Any]) -> list[Array]:
    return [size * array for array, size in zip(arrays, sizes, strict=True)]


def _pair(gradient: Sequence[Any], along: Sequence[Any]) -> Array:
    """The slope that each leaf's gradient gives along a direction."""
    pairs = zip(gradient, along, strict=True)
    return jnp.stack([jnp.sum(jnp.real(g * step)) for g, step in pairs])


def _contraction(
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


def _stacked(each: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *parts: jnp.stack(parts), *each)


def _norm(array: Array) -> Array:
    return jnp.linalg.norm(array.reshape(-1))
