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
from jax import lax
from jaxtyping import Array, Float

from jaxdebug.gradients.blocks import Box
from jaxdebug.gradients.call_gaps import Gaps
from jaxdebug.gradients.coordinates import NO_GAP, Coordinates, compared, wrong_box
from jaxdebug.gradients.draws import Draws, direction
from jaxdebug.gradients.evaluation import Point, contraction, moved, scaled
from jaxdebug.gradients.witnesses import Witnesses


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
    boxes: Box | None = None
    """(points, leaves) around the coordinates that disagree."""


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
    rank = max(leaf.ndim for leaf in moving)
    shift = scaled(direction(drawn, directions, moving), list(sizes))
    contracted = contraction(those, cotangents)

    def by_moving(every: Point, run: Callable[[Point], Any]) -> tuple[Any, list[Array]]:
        """A function of the moving leaves alone, and where they are."""

        def function(moving: Sequence[Any]) -> Array:
            full = list(every)
            for place, leaf in zip(those.moving, moving, strict=True):
                full[place] = leaf
            return contracted(run(full))

        return function, [every[place] for place in those.moving]

    def at_point(displacement: Array) -> tuple[Evidence, Array]:
        every = moved(those, leaves, shift, displacement)
        made = those.gradient.apply([*every, *cotangents])
        results, gradient = made[: -len(moving)], made[-len(moving) :]
        records: Mapping[Any, Gaps] = {}
        if those.isolation is not None:
            results, records = those.isolation(every)
        norms = jnp.stack([*map(_norm, gradient)]) * sizes
        # Without custom rules there is no other gradient to compare with.
        coordinates, boxes, forward = [NO_GAP] * len(moving), None, None
        if those.stripped is not None:
            stripped = those.stripped
            function, start = by_moving(every, lambda full: stripped(full)[0])
            pairs = [*zip(gradient, jax.grad(function)(start), strict=True)]
            coordinates = [compared(*pair) for pair in pairs]
            whole = jnp.sqrt(jnp.nansum(norms**2))
            boxes = _stacked(
                [
                    wrong_box(*pair, whole / size, those.rounding, rank)
                    for pair, size in zip(pairs, list(sizes), strict=True)
                ]
            )
        if those.forward:
            function, start = by_moving(every, those.function.apply)
            _, slope = jax.jvp(function, (start,), (shift,))
            forward = jnp.stack([slope, _pair(gradient, shift).sum()])

        def slopes(index: Array) -> Array:
            along = scaled(direction(drawn, index, moving), list(sizes))
            return _pair(gradient, along)

        found = Evidence(
            contracted(results),
            lax.map(slopes, jnp.arange(directions)),
            norms,
            _stacked(coordinates),
            tuple(records[site.address] for site in those.sites),
            forward,
            boxes=boxes,
        )
        errors = [
            _norm(n - g) / jnp.where(_norm(g) > 0, _norm(g), 1)
            for n, g in zip(native, gradient, strict=True)
        ]
        return found, jnp.stack(errors)

    found, precision = lax.map(at_point, jnp.asarray(points))
    return found._replace(precision=precision[0], scales=sizes), shift


def _pair(gradient: Sequence[Any], along: Sequence[Any]) -> Array:
    """The slope that each leaf's gradient gives along a direction."""
    pairs = zip(gradient, along, strict=True)
    return jnp.stack([jnp.sum(jnp.real(g * step)) for g, step in pairs])


def _stacked(each: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *parts: jnp.stack(parts), *each)


def _norm(array: Array) -> Array:
    return jnp.linalg.norm(array.reshape(-1))
