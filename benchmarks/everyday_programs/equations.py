"""Functions that solve an equation."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxdebug as jd


def heat(seed: int) -> jd.Workload:
    """Equinox; heat in a rod, by derivatives of the network at drawn points."""
    random = np.random.default_rng(seed)

    def points() -> dict[str, np.ndarray]:
        inner, start, ends = [random.uniform(size=(rows, 2)) for rows in (64, 16, 16)]
        start[:, 0] = 0.0
        ends[:, 1] = random.integers(2, size=16)
        every = {"inner": inner, "start": start, "ends": ends}
        return {name: place.astype(np.float32) for name, place in every.items()}

    def remainder(model: Any, place: jax.Array) -> jax.Array:
        def heat(time: jax.Array, along: jax.Array) -> jax.Array:
            return model(jnp.stack([time, along]))

        flow = jax.grad(heat, 0)(*place)
        return flow - 0.1 * jax.grad(jax.grad(heat, 1), 1)(*place)

    def loss(model: Any, batch: Any) -> jax.Array:
        inner = jax.vmap(lambda place: remainder(model, place))(batch["inner"])
        wanted = jnp.sin(jnp.pi * batch["start"][:, 1])
        start = jax.vmap(model)(batch["start"]) - wanted
        ends = jax.vmap(model)(batch["ends"])
        return (inner**2).mean() + 10 * (start**2).mean() + 10 * (ends**2).mean()

    return jd.Workload(
        loss_fn=loss,
        params=eqx.nn.MLP(2, "scalar", 24, 3, jnp.tanh, key=jax.random.key(seed)),
        train=[points() for _ in range(30)],
        eval=[points() for _ in range(3)],
        predict_fn=lambda model, batch: jax.vmap(model)(batch["inner"]),
        inputs="inner",
        optimizer=optax.adam(1e-3),
    )
