"""Haiku models."""

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax

from tests.zoo.program import ZooProgram, initialised, trained_plainly

X = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
Y = np.arange(4, dtype=np.float32)[:, None]


def haiku_mlp() -> ZooProgram:
    """`hk.transform` of an MLP."""
    network = hk.without_apply_rng(hk.transform(lambda x: hk.nets.MLP([8, 1])(x)))
    params = initialised(network.init, jax.random.key(0), X)

    def loss_fn(params, batch):
        return jnp.mean((network.apply(params, batch["x"]) - batch["y"]) ** 2)

    batch = {"x": X, "y": Y}
    return trained_plainly("haiku_mlp", loss_fn, params, batch, optax.adam(1e-2))


def haiku_state() -> ZooProgram:
    """`hk.transform_with_state` of batch normalisation and dropout."""

    def forward(x):
        x = hk.BatchNorm(True, True, 0.9)(hk.Linear(8)(x), is_training=True)
        return hk.Linear(1)(hk.dropout(hk.next_rng_key(), 0.3, jax.nn.elu(x)))

    network = hk.transform_with_state(forward)
    params, averages = initialised(network.init, jax.random.key(0), X)
    tx = optax.adam(1e-2)

    def loss_fn(params, batch, averages, key):
        predicted, averages = network.apply(params, averages, key, batch["x"])
        return jnp.mean((predicted - batch["y"]) ** 2), averages

    @jax.jit
    def train_step(state, batch):
        params, averages, opt_state, key = state
        key, step_key = jax.random.split(key)
        (loss, averages), grads = jax.value_and_grad(loss_fn, has_aux=True)(
            params, batch, averages, step_key
        )
        updates, opt_state = tx.update(grads, opt_state)
        params = optax.apply_updates(params, updates)
        return (params, averages, opt_state, key), {"loss": loss}

    key = jax.random.key(1)
    return ZooProgram(
        name="haiku_state",
        loss_fn=loss_fn,
        params=params,
        batch={"x": X, "y": Y},
        extra=(averages, key),
        has_aux=True,
        train_step=train_step,
        state=(params, averages, tx.init(params), key),
    )


HAIKU_MODELS = {m.__name__: m for m in (haiku_mlp, haiku_state)}
