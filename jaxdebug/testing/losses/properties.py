"""What holds of a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.programs.places import is_inexact
from jaxdebug.testing.layers.draw import Draw, Usual, stacked
from jaxdebug.testing.layers.gap import Undecided
from jaxdebug.testing.layers.layer import Layer
from jaxdebug.testing.layers.properties.batches import BATCHES
from jaxdebug.testing.layers.properties.gradients import gradients_right
from jaxdebug.testing.layers.properties.transformations import TRANSFORMATIONS
from jaxdebug.testing.layers.properties.values import (
    VALUES,
    count_nonfinite,
    nonfinite_words,
)
from jaxdebug.testing.layers.property import (
    AskNoise,
    HostCheck,
    Pair,
    Property,
    Setting,
)
from jaxdebug.testing.layers.rows import first_from, of_rows
from jaxdebug.testing.losses.gradient import value_and_gradient
from jaxdebug.testing.losses.reduction import Reduction, each_alone, together

EXTREME = 1e4
"""Magnitude of extreme predictions: logits of a network that diverges."""


def loss_properties(
    layer: Layer,
    order: int,
    reduction: Reduction,
    declared: bool,
    bound: float | None,
    best: Callable[..., Any] | None,
) -> tuple[Property, ...]:
    """Every property of a loss but those of masks.

    Args:
        layer: the loss; its first inputs are predictions.
        order: of the derivatives that are checked.
        reduction: of the batch's examples.
        declared: whether the user says so.
        bound: what no element of an example's gradient exceeds.
        best: of targets, the predictions at which the loss is least.
    """
    predictions = len(layer.argnums or ())

    def of(usual: Usual, args: tuple[Any, ...] | None = None) -> Any:
        args = usual.draw.args if args is None else args
        return value_and_gradient(lambda *args: usual.of(args), args, predictions)

    def no_rows(setting: Setting) -> str:
        if reduction == "whole":
            return (
                "the value is neither the mean nor the sum of the examples' values, "
                "nor one for each"
            )
        return (
            "" if setting.rows and setting.rows > 1 else "the batch is of one example"
        )

    def reduced(usual: Usual, setting: Setting) -> Pair:
        each = each_alone(lambda *args: usual.of(args), usual.draw.args)
        return together(each, reduction), usual.output

    def doubled(usual: Usual, setting: Setting) -> Pair:
        def twice(leaf: Any) -> Any:
            return jnp.concatenate([leaf, leaf])

        found = usual.of(of_rows(twice, usual.draw.args))
        if reduction == "none":
            return of_rows(twice, usual.output), found
        times = 2 if reduction == "sum" else 1
        return jax.tree.map(lambda leaf: times * leaf, usual.output), found

    def independent(usual: Usual, setting: Setting) -> Pair:
        changed = first_from(usual.draw.args, usual.draw.others)
        expected, found = (
            of_rows(lambda leaf: leaf[1:], one["gradient"])
            for one in (of(usual), of(usual, changed))
        )
        return expected, found

    def finite(usual: Usual, setting: Setting) -> Pair:
        moving = usual.draw.args[:predictions]
        held = usual.draw.args[predictions:]
        inputs = _extremes(moving, setting.domain)

        def bad(moving: tuple[Any, ...]) -> Any:
            found = of(usual, (*moving, *held))
            named = {
                "value": found["value"],
                "gradient of/predictions": found["gradient"]["predictions"],
            }
            return jax.tree.map(count_nonfinite, named)

        counts = jax.vmap(bad)(stacked(*inputs.values()))
        each = {
            name: jax.tree.map(lambda leaf, i=i: leaf[i], counts)
            for i, name in enumerate(inputs)
        }
        return jax.tree.map(jnp.zeros_like, each), each

    def bounded(usual: Usual, setting: Setting) -> Pair:
        most = float("inf") if bound is None else bound
        rows = setting.rows if reduction == "mean" and setting.rows else 1
        found = jax.tree.map(lambda leaf: jnp.abs(leaf) * rows, of(usual)["gradient"])
        return jax.tree.map(
            lambda leaf: jnp.minimum(leaf, most).astype(leaf.dtype), found
        ), found

    def least(usual: Usual, setting: Setting) -> Pair:
        assert best is not None
        held = usual.draw.args[predictions:]
        at_best = best(*held)
        at_best = at_best if isinstance(at_best, tuple) else (at_best,)
        found = usual.of((*at_best, *held))
        return jax.tree.map(jnp.minimum, found, usual.output), found

    def not_negative(usual: Usual, setting: Setting) -> Pair:
        return jax.tree.map(lambda x: jnp.maximum(x, 0), usual.output), usual.output

    def reached(usual: Usual, setting: Setting) -> Pair:
        own = of(usual)["gradient"]
        found = jax.tree.map(lambda leaf: jnp.any(leaf != 0).astype(jnp.int32), own)
        return jax.tree.map(jnp.ones_like, found), found

    own = [
        gradients_right(order),
        Property(
            "reduction",
            f"{IN_WORDS[reduction]}",
            reduced,
            why_not=no_rows,
        )
        if declared or reduction != "whole"
        else Property("reduction", UNTOLD, host=_untold),
        Property(
            "doubled-batch",
            "a batch twice has "
            + ("twice the value" if reduction == "sum" else "the same value"),
            doubled,
            why_not=no_rows,
        ),
        Property(
            "rows-independent",
            "an example's gradient does not depend on the other examples",
            independent,
            why_not=no_rows,
            noise="gradients",
        ),
        Property(
            "extreme-predictions",
            "value and gradient are finite at extreme predictions",
            finite,
            noise="none",
            words=nonfinite_words,
        ),
        Property(
            "predictions-reached",
            "the value depends on every prediction that it is given",
            reached,
            noise="none",
            once=True,
            words=lambda name, gap, shape: f"the gradient by {name} is 0 everywhere",
        ),
        *TRANSFORMATIONS,
        *(one for one in VALUES if one.name == "dtype"),
        Property(
            "non-negative",
            "the value is never negative",
            not_negative,
            is_declared=True,
        ),
    ]
    if reduction == "none":
        own += [one for one in BATCHES if one.name in ("odd-batch", "empty-batch")]
    if bound is not None:
        says = f"no element of an example's gradient exceeds {bound:g}"
        own.append(Property("bounded-gradient", says, bounded, noise="gradients"))
    if best is not None:
        says = "no value is below that of the best predictions"
        own.append(Property("minimum", says, least))
    return tuple(own)


UNTOLD = (
    "the value of a batch is the mean or the sum of its examples' values, or one for "
    "each"
)


def _untold(layer: Layer, setting: Setting) -> HostCheck:
    """Of a loss that is declared none of these."""

    def check(draw: Draw, noise: AskNoise) -> str:
        raise Undecided(
            "it is none of these, or no batch was of two examples: none was looked at "
            "by itself. If the loss compares examples with each other, declare "
            "reduction='whole'; if not, declare 'mean', 'sum' or 'none' to be told "
            "where it is not so"
        )

    return check


IN_WORDS = {
    "mean": "the value of a batch is the mean of its examples' values",
    "sum": "the value of a batch is the sum of its examples' values",
    "none": "a batch has the values that its examples have alone",
    "whole": "the value of a batch is made of its examples' values",
}
"""What each reduction says."""


def _extremes(moving: tuple[Any, ...], domain: tuple[float, float] | None) -> Any:
    """Predictions at the edges of what a loss must bear, each under its name."""
    low, high = (-EXTREME, EXTREME) if domain is None else domain

    def of(change: Callable[[Any], Any]) -> Any:
        return jax.tree.map(
            lambda leaf: (
                jnp.clip(change(leaf), low, high).astype(leaf.dtype)
                if is_inexact(jax.typeof(leaf))
                else leaf
            ),
            moving,
        )

    def one_high(leaf: Any) -> Any:
        places = np.arange(leaf.shape[-1] if leaf.ndim else 1) == 0
        return jnp.broadcast_to(jnp.where(places, high, low), leaf.shape)

    return {
        f"predictions of {low:g}": of(lambda leaf: jnp.full_like(leaf, low)),
        f"predictions of {high:g}": of(lambda leaf: jnp.full_like(leaf, high)),
        f"predictions of {low:g} and {high:g}": of(
            lambda leaf: jnp.where(leaf > 0, high, low)
        ),
        f"one prediction of {high:g}": of(one_high),
    }
