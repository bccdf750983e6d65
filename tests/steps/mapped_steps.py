"""Train steps under `pmap`: each device has its own copy of every leaf."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np
import optax
from jax import lax

from tests.steps.train_step import TrainStep, X, Y, mse, parameters


def mapped_over_devices() -> TrainStep:
    """Leaves have an axis of devices more than their gradients."""
    optimizer = optax.adam(1e-2)

    @partial(jax.pmap, axis_name="device")
    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        grads = lax.pmean(jax.grad(mse)(params, x, y), "device")
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), state

    def total(params: Any, state: Any, x: Any, y: Any) -> Any:
        # Each of the two devices counts its own copy of the sum over both.
        slopes = [
            jax.grad(mse)(jax.tree.map(lambda p, n=n: p[n], params), x[n], y[n])
            for n in range(2)
        ]
        return jax.tree.map(lambda one, other: 2 * (one + other), *slopes)

    params = parameters()
    state = (params, optimizer.init(params))
    copies = jax.tree.map(lambda leaf: np.stack([leaf, leaf]), state)
    batch = (X.reshape(2, 2, 3), Y.reshape(2, 2, 3))
    return TrainStep(step, (*copies, *batch), total, moved=False)


MAPPED_STEPS = {"mapped_over_devices": mapped_over_devices}
