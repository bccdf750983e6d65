"""What the witnesses say of a gradient, measured in one float64 program.

At the given point, and at one displaced by a thousandth of each leaf's scale: the
gradient against that of the function without custom rules, every
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
from jaxdebug.gradients.coordinates import NO_GAP, Coordinates, compared, wrong_box
from jaxdebug.gradients.draws import Draws, direction
from jaxdebug.gradients.evaluation import Point, contraction, displaced, scaled, towards
from jaxdebug.gradients.moves import GIVEN, NEAR
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
    """Slope towards the point nearby, by forward mode, and the gradient's there; of a
    second derivative by forward over reverse, whose Hessian is symmetric. None where
    both are one by construction."""
    precision: Any
    """(points, leaves) relative error of the native gradient of the given point."""
    scales: Any
    """(points, leaves) by which a leaf moves for each unit of a direction."""
    boxes: Box | None = None
    """(points, leaves) around the coordinates that disagree."""
    displacement: Any = (GIVEN, NEAR)
    """(points,) of each point, relative to each leaf's scale."""

    def norm(self, point: int) -> float:
        """Norm of the whole gradient, each leaf in its scale; on the host."""
        return float(np.sqrt(np.nansum(self.size[point] ** 2)))


def at_points(given: Evidence, near: Evidence | None = None) -> Evidence:
    """What they say at the given point and near it, or twice at the given one."""
    last = given if near is None else near
    return jax.tree.map(lambda *each: np.stack(each), given, last)


def gather(
    those: Witnesses,
    leaves: Sequence[Array],
    cotangents: Sequence[Array],
    native: Sequence[Array],
    drawn: Draws,
    sizes: Float[Array, " leaves"],
    directions: int,
    displacement: Any,
) -> Evidence:
    """Ask every witness at one point, inside a trace with float64.

    Args:
        those: the programs.
        leaves: flat arguments, float64 where inexact.
        cotangents: of the inexact outputs, float64.
        native: the gradient in the working precision, widened.
        drawn: what directions are drawn from.
        sizes: by which each leaf moves for each unit of a direction.
        directions: how many there are.
        displacement: of the point, relative to each leaf's scale.

    Returns:
        What they say, without the axis of points.

    Cost:
        One gradient; with custom rules another one, one value, and what
        `isolation_tool` states. The memory of two gradients and five copies of the
        leaves.
    """
    moving = [leaves[index] for index in those.moving]
    rank = max(leaf.ndim for leaf in moving)
    every = displaced(those, leaves, drawn, sizes, displacement)
    contracted = contraction(those, cotangents)

    def of_moving(run: Callable[[Point], Any]) -> Callable[[Sequence[Any]], Array]:
        """A function of the moving leaves alone."""

        def function(moving: Sequence[Any]) -> Array:
            full = list(every)
            for place, leaf in zip(those.moving, moving, strict=True):
                full[place] = leaf
            return contracted(run(full))

        return function

    start = [every[place] for place in those.moving]
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
        function = of_moving(lambda full: stripped(full)[0])
        pairs = [*zip(gradient, jax.grad(function)(start), strict=True)]
        coordinates = [compared(*pair) for pair in pairs]
        whole = jnp.sqrt(jnp.nansum(norms**2))
        boxes = _stacked(
            [
                wrong_box(*pair, whole / size, those.rounding, rank)
                for pair, size in zip(pairs, list(sizes), strict=True)
            ]
        )
    if those.forward or those.mirrored is not None:
        shift = towards(drawn, moving, sizes)
        if those.mirrored is not None:
            slope = _pair(those.mirrored.apply([*every, *cotangents]), shift).sum()
        else:
            _, slope = jax.jvp(of_moving(those.function.apply), (start,), (shift,))
        forward = jnp.stack([slope, _pair(gradient, shift).sum()])

    def slopes(index: Array) -> Array:
        along = scaled(direction(drawn, index, moving), list(sizes))
        return _pair(gradient, along)

    errors = [
        _norm(n - g) / jnp.where(_norm(g) > 0, _norm(g), 1)
        for n, g in zip(native, gradient, strict=True)
    ]
    return Evidence(
        contracted(results),
        lax.map(slopes, jnp.arange(directions)),
        norms,
        _stacked(coordinates),
        tuple(records[site.address] for site in those.sites),
        forward,
        jnp.stack(errors),
        sizes,
        boxes,
        displacement,
    )


def _pair(gradient: Sequence[Any], along: Sequence[Any]) -> Array:
    """The slope that each leaf's gradient gives along a direction."""
    pairs = zip(gradient, along, strict=True)
    return jnp.stack([jnp.sum(jnp.real(g * step)) for g, step in pairs])


def _stacked(each: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *parts: jnp.stack(parts), *each)


def _norm(array: Array) -> Array:
    return jnp.linalg.norm(array.reshape(-1))
