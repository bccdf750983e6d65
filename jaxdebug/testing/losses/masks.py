"""What holds of a loss of which some elements are masked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.testing.layers.draw import Usual
from jaxdebug.testing.layers.properties.values import count_nonfinite, nonfinite_words
from jaxdebug.testing.layers.property import Pair, Property, Setting
from jaxdebug.testing.losses.gradient import value_and_gradient
from jaxdebug.testing.losses.reduction import Reduction

UNSEEN = 100.0
"""What stands where the mask is not."""


class Mask(NamedTuple):
    """How a loss is told which elements count."""

    name: str
    """Of its argument."""
    axes: int | None = None
    """How many leading axes of the predictions it has; None for all."""
    dtype: Any = bool
    counts: bool = True
    """What it holds where an element counts; the other where it does not."""

    def shape(self, args: tuple[Any, ...]) -> tuple[int, ...]:
        """The mask's, of these predictions and targets."""
        return jax.tree.leaves(args)[0].shape[: self.axes]

    def some(self, args: tuple[Any, ...]) -> np.ndarray:
        """Every third element does not count, and the last."""
        shape = self.shape(args)
        flat = np.arange(int(np.prod(shape))) % 3 != 1
        flat[-1:] = False
        return flat.reshape(shape)

    def given(self, counting: np.ndarray) -> dict[str, Any]:
        """As an argument."""
        return {self.name: jnp.asarray(counting == self.counts, self.dtype)}


def mask_properties(
    function: Callable[..., Any], mask: Mask, predictions: int, reduction: Reduction
) -> tuple[Property, ...]:
    """Every property of masks.

    Args:
        function: the loss, with the mask as a keyword.
        mask: how it is told.
        predictions: how many of its inputs are predictions.
        reduction: of the batch's examples.
    """

    def of(args: tuple[Any, ...], counting: np.ndarray) -> Any:
        def masked(*args: Any) -> Any:
            return function(*args, **mask.given(counting))

        return value_and_gradient(masked, args, predictions)

    def ignored(usual: Usual, setting: Setting) -> Pair:
        args, counting = usual.draw.args, mask.some(usual.draw.args)

        def other(leaf: Any) -> Any:
            if leaf.shape[: counting.ndim] != counting.shape:
                return leaf
            rest = (1,) * (leaf.ndim - counting.ndim)
            unseen = UNSEEN if jnp.issubdtype(leaf.dtype, jnp.inexact) else 0
            return jnp.where(
                counting.reshape(*counting.shape, *rest), leaf, unseen
            ).astype(leaf.dtype)

        changed = jax.tree.map(other, args)
        return of(args, counting), of(changed, counting)

    def removed(usual: Usual, setting: Setting) -> Pair:
        if len(mask.shape(usual.draw.args)) > 1:
            return shortened(usual.draw.args)
        args, counting = usual.draw.args, mask.some(usual.draw.args)
        kept = jax.tree.map(lambda leaf: leaf[counting], args)
        found = of(args, counting)["value"]
        if reduction == "none":
            found = jax.tree.map(lambda leaf: leaf[counting], found)
        return function(*kept), found

    def shortened(args: tuple[Any, ...]) -> Pair:
        """The last places of every example are masked, or cut off."""
        shape = mask.shape(args)
        last, kept = len(shape) - 1, (shape[-1] + 1) // 2
        counting = np.broadcast_to(np.arange(shape[-1]) < kept, shape)

        def cut(leaf: Any) -> Any:
            if leaf.shape[: len(shape)] != shape:
                return leaf
            return jax.lax.slice_in_dim(leaf, 0, kept, axis=last)

        def value(args: tuple[Any, ...], counting: np.ndarray) -> Any:
            return function(*args, **mask.given(counting))

        few = value(jax.tree.map(cut, args), counting[..., :kept])
        return few, jax.tree.map(cut, value(args, counting))

    def all_masked(usual: Usual, setting: Setting) -> Pair:
        args = usual.draw.args
        found = of(args, np.zeros(mask.shape(args), bool))
        named = {
            "no element that counts": {
                "value": found["value"],
                "gradient of/predictions": found["gradient"]["predictions"],
            }
        }
        counts = jax.tree.map(count_nonfinite, named)
        return jax.tree.map(jnp.zeros_like, counts), counts

    def none_left(setting: Setting) -> str:
        return "" if mask.some(setting.args).any() else "no element is left"

    def not_removed(setting: Setting) -> str:
        shape = mask.shape(setting.args)
        if len(shape) > 1:
            return "" if shape[-1] > 1 else "the mask has one place in each example"
        if reduction == "whole":
            return "the reduction is not known"
        return none_left(setting)

    return (
        Property(
            "masked",
            "what is masked changes neither the value nor the gradient",
            ignored,
            noise="any output",
            why_not=none_left,
        ),
        Property(
            "masked-is-absent",
            "what is masked has the value of a batch without it",
            removed,
            why_not=not_removed,
        ),
        Property(
            "all-masked",
            "value and gradient are finite if everything is masked",
            all_masked,
            noise="none",
            words=nonfinite_words,
        ),
    )
