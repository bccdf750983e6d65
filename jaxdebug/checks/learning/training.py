"""A step of a training: the loss, its gradient, the optimiser, what comes next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from jaxdebug.checks.pure_workload import PureWorkload
from jaxdebug.checks.workload import WorkloadError


class Training(NamedTuple):
    """Where a training stands."""

    arrays: list[Any]
    """Of the workload."""
    optimizer: Any
    """The state of the optimiser."""
    step: Any
    """How many were taken."""


def begin(
    pure: PureWorkload,
    optimizer: optax.GradientTransformation,
    arrays: Sequence[Any] | None = None,
) -> Training:
    """A training before its first step.

    Args:
        pure: the workload.
        optimizer: whose state the training holds.
        arrays: that it starts from; the workload's by default.
    """
    start = pure.start if arrays is None else arrays
    params = pure.split.rebuild(start, pure.trained(start))
    state = optimizer.init(params)
    # A first step with weak types would be another program than the second.
    settled = jax.tree.map(lambda leaf: jnp.asarray(leaf, leaf.dtype), state)
    return Training([*start], settled, jnp.int32(0))


def step(
    pure: PureWorkload,
    optimizer: optax.GradientTransformation,
    training: Training,
    batch: Any,
    factor: Any = 1.0,
) -> tuple[Training, Float[Array, ""]]:
    """Take a step; a pure function, to be jitted, mapped or scanned.

    Args:
        pure: the workload.
        optimizer: whose state the training holds.
        training: where it stands.
        batch: that the step takes.
        factor: of the updates.

    Returns:
        Where it stands then, and the loss before the step.
    """
    split, arrays = pure.split, training.arrays

    def value(moving: Any) -> Any:
        found = pure.loss(split.with_moving(arrays, moving), batch)
        aux = found.aux if pure.workload.next_extra else None
        return found.value, (aux, found.arrays)

    moving = pure.trained(arrays)
    (loss, (aux, after)), found = jax.value_and_grad(value, has_aux=True)(moving)
    params, gradient = split.rebuild(arrays, moving), split.rebuild(arrays, found)
    # Where each leaf of the optimiser's tree stands among the arrays.
    places = jax.tree.leaves(split.rebuild(range(split.count), split.moving))

    def value_of(params: Any) -> Any:
        at = dict(zip(places, jax.tree.leaves(params), strict=True))
        return value([at[index] for index in split.moving])[0]

    updates, state = update(
        optimizer, gradient, training.optimizer, params, loss, value_of
    )
    updates = jax.tree.map(lambda x: (factor * x).astype(x.dtype), updates)
    new = jax.tree.leaves(optax.apply_updates(params, updates))
    for place, leaf in zip(places, new, strict=True):
        after[place] = leaf
    after = pure.advance(after, aux, training.step)
    _require_same(pure, arrays, after)
    return Training(after, state, training.step + 1), loss


def update(
    optimizer: optax.GradientTransformation,
    gradient: Any,
    state: Any,
    params: Any,
    loss: Any,
    value_of: Callable[[Any], Any] | None = None,
) -> tuple[Any, Any]:
    """Updates and the next state, also of optimisers that ask for the loss.

    Args:
        optimizer: the user's.
        gradient: of the parameters.
        state: of the optimiser.
        params: the parameters.
        loss: of the parameters.
        value_of: the loss of others, for a search along a line; by default it stands
            still.
    """
    return optax.with_extra_args_support(optimizer).update(
        gradient,
        state,
        params,
        value=loss,
        grad=gradient,
        value_fn=value_of or (lambda _: loss),
    )


def _require_same(pure: PureWorkload, before: Any, after: Any) -> None:
    for index, (old, new) in enumerate(zip(before, after, strict=True)):
        was, now = jax.typeof(old), jax.typeof(new)
        if (was.shape, was.dtype) != (now.shape, now.dtype):
            where = dict(pure.split.fixed).get(index, "a parameter")
            raise WorkloadError(
                f"workload {pure.workload.name!r}: expected arrays of the same "
                f"shapes and dtypes after a step; found {now.str_short()} in place of "
                f"{was.str_short()} in {where} of loss_fn. Return what the next step "
                "takes from next_extra and the optimizer."
            )
