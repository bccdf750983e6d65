"""How often each unit of a layer is active, and how often it is saturated."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from jaxdebug.programs.layers.activations import ACTIVE, SATURATED, Activation
from jaxdebug.programs.layers.softmaxes import Softmax
from jaxdebug.statistics.columns import ROWS, added, reduced
from jaxdebug.statistics.statistic import Statistic

CONFIDENT = 0.99
"""A softmax is saturated where one probability is above this: then the slope of
every logit is below 1e-2."""


class Units(NamedTuple):
    """On how many examples each unit was active and saturated."""

    active: Int[Array, "*iterations units"]
    saturated: Int[Array, "*iterations units"]
    examples: Int[Array, "*iterations"]


def unit_activity(activation: Activation) -> Statistic:
    """Counts by unit for the input of one activation function.

    The slope is what a cotangent of ones becomes on its way back, by the rules of
    the program; NaN is neither active nor saturated. Nor is an input of exactly zero
    of a function with a kink there: what the slope of relu is at zero depends on how
    it is written, and blank inputs say nothing about a unit.
    """

    def measure(array: Float[Array, "*shape"]) -> Units:
        output, pullback = jax.vjp(activation.function, lax.stop_gradient(array))
        (slope,) = pullback(jnp.ones_like(output))
        if activation.kinked:
            slope = jnp.where(array == 0, np.nan, slope)
        size = jnp.abs(jnp.moveaxis(slope, activation.unit_axis, -1))
        size = size.reshape(-1, size.shape[-1] if size.ndim else 1)
        counts = (
            (size > ACTIVE * activation.steepest).astype(np.int32),
            (size < SATURATED * activation.steepest).astype(np.int32),
        )
        active, saturated = _summed(counts)
        return Units(active, saturated, jnp.int32(size.shape[0]))

    def finalize(units: Units) -> dict[str, Any]:
        return {
            "units": np.int64(units.active.shape[-1]),
            "examples": units.examples,
            "active": units.active,
            "saturated": units.saturated,
            "bounded": np.bool_(activation.bounded),
            "hidden": np.bool_(activation.hidden),
            "hard": np.bool_(activation.hard),
        }

    return Statistic("units", measure, finalize, kinds=("activation",))


def _summed(counts: tuple[Array, Array]) -> tuple[Array, Array]:
    """Sums over the rows of matrices, both in one pass."""
    units = counts[0].shape[1]
    flat = (counts[0].reshape(-1), counts[1].reshape(-1))
    while jax.default_backend() == "cpu" and flat[0].size > ROWS * units:
        flat = added(flat, lambda rows: rows, _plus, group=units)
    rows = (flat[0].reshape(-1, units), flat[1].reshape(-1, units))
    return reduced(rows, _plus, 0)


def _plus(left: tuple[Array, Array], right: tuple[Array, Array]) -> tuple[Array, Array]:
    return left[0] + right[0], left[1] + right[1]


MASK = -1e4
"""Masks are this low at least: no model learns scores of it, and -1e4 is what half
precision uses."""


class Confidence(NamedTuple):
    """How sharp the rows of a softmax are."""

    rows: Int[Array, "*iterations"]
    total: Float[Array, "*iterations"]
    saturated: Int[Array, "*iterations"]
    single: Int[Array, "*iterations"]


def confidence(softmax: Softmax) -> Statistic:
    """The largest probability of each row that has a choice.

    Rows that are not finite are left out, and so are rows with a single entry that
    is not masked, which are counted: the first of a causal mask, padding.
    """
    entries = prod(softmax.site.shape[axis] for axis in softmax.axes)
    exponential = jnp.exp if softmax.exponential == "exp" else jnp.exp2

    def measure(array: Float[Array, "*shape"]) -> Confidence:
        scores, axes = lax.stop_gradient(array), softmax.axes
        # As the program writes it, so that XLA computes it once for both.
        weights = exponential(scores)
        total = jnp.sum(weights, axes, dtype=np.float32)
        largest = jnp.max(weights, axes).astype(np.float32) / total
        choices = jnp.sum(~_masked(scores), axes, dtype=np.int32)
        finite = jnp.isfinite(largest)
        judged = finite & (choices != 1)
        return Confidence(
            jnp.sum(judged, dtype=np.int32),
            jnp.sum(jnp.where(judged, largest, 0.0), dtype=np.float32),
            jnp.sum(judged & (largest > CONFIDENT), dtype=np.int32),
            jnp.sum(finite & ~judged, dtype=np.int32),
        )

    def finalize(record: Confidence) -> dict[str, Any]:
        rows = np.asarray(record.rows)
        with np.errstate(invalid="ignore", divide="ignore"):
            return {
                "count": rows,
                "largest": np.asarray(record.total) / rows,
                "saturated": record.saturated,
                "single": record.single,
                "entries": np.int64(entries),
            }

    return Statistic("confidence", measure, finalize, kinds=("softmax",))


def _masked(scores: Float[Array, "*shape"]) -> Array:
    """Entries at the lowest score of all, if that is as low as masks are.

    Large scores alone are no mask: of these hardly two are the lowest. Masks that
    are added to scores lie within a hundredth of each other.
    """
    lowest = jnp.min(jnp.where(jnp.isnan(scores), np.inf, scores))
    return (scores <= 0.99 * lowest) & (lowest <= MASK)
