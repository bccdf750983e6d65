"""What an optimiser makes of the same gradient, given again and again."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxdebug.checks.learning.training import update
from jaxdebug.checks.subject import Subject

FALLS = 0.99
"""By which the loss changes from step to step, for optimisers that wait until it does
not."""


def update_sizes(subject: Subject, count: int) -> Float[np.ndarray, " count"]:
    """The norms of so many updates, made of the gradient of the first batch.

    What changes from one to the next is the optimiser's own: its schedule, and what it
    gathers of gradients. The parameters stay where they are.

    Args:
        subject: with `optimizer`.
        count: of the updates.
    """
    pure, split = subject.pure, subject.pure.split
    begun = subject.begin()
    loss, slopes = subject.value_and_gradient(begun.arrays, subject.batch)
    params = split.rebuild(begun.arrays, pure.trained(begun.arrays))
    gradient = split.rebuild(begun.arrays, slopes)

    @jax.jit
    def size_of_next(state: Any, loss: Any) -> tuple[Any, Any]:
        updates, state = update(subject.optimizer, gradient, state, params, loss)
        # Squares of small updates would underflow in float32: scaled by the largest.
        leaves = [jnp.asarray(x, jnp.float32).ravel() for x in jax.tree.leaves(updates)]
        largest = jnp.max(jnp.asarray([jnp.max(jnp.abs(x)) for x in leaves]))
        unit = jnp.where(largest > 0, largest, 1.0)
        total = sum(jnp.sum(jnp.square(x / unit)) for x in leaves)
        return unit * jnp.sqrt(total), state

    state, sizes = begun.optimizer, []
    for _ in range(count):
        size, state = size_of_next(state, loss)
        sizes.append(size)
        loss = loss - (1 - FALLS) * jnp.abs(loss)
    return np.asarray(sizes, np.float64)
