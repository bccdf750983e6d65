"""Equinox models."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from tests.zoo.program import ZooProgram, initialised, trained_plainly

X = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
Y = np.arange(4, dtype=np.float32)


def equinox_mlp() -> ZooProgram:
    """An MLP partitioned once; the static half stays outside the step."""
    make = partial(eqx.nn.MLP, 5, 1, width_size=8, depth=2)
    model = initialised(lambda key: make(key=key), jax.random.key(0))
    params, static = eqx.partition(model, eqx.is_inexact_array)

    def loss_fn(params, batch):
        predicted = jax.vmap(eqx.combine(params, static))(batch["x"])[:, 0]
        return jnp.mean((predicted - batch["y"]) ** 2)

    batch = {"x": X, "y": Y}
    return trained_plainly("equinox_mlp", loss_fn, params, batch, optax.adam(1e-2))


class ScannedMLP(eqx.Module):
    layers: eqx.nn.Linear
    readout: jax.Array

    def __init__(self, key):
        make = eqx.filter_vmap(lambda key: eqx.nn.Linear(5, 5, key=key))
        self.layers = make(jax.random.split(key, 3))
        self.readout = jnp.ones(5)

    def __call__(self, x):
        arrays, static = eqx.partition(self.layers, eqx.is_array)

        def apply(x, layer):
            return jax.nn.tanh(eqx.combine(layer, static)(x)), None

        x, _ = jax.lax.scan(jax.checkpoint(apply), x, arrays)
        return x @ self.readout


def equinox_scan_layers() -> ZooProgram:
    """`filter_vmap` makes stacked layers, `lax.scan` runs them, `filter_grad` fits."""
    model = initialised(ScannedMLP, jax.random.key(0))
    tx = optax.adam(1e-2)

    def loss_fn(model, batch):
        return jnp.mean((jax.vmap(model)(batch["x"]) - batch["y"]) ** 2)

    @jax.jit
    def train_step(state, batch):
        model, opt_state = state
        loss, grads = eqx.filter_value_and_grad(loss_fn)(model, batch)
        updates, opt_state = tx.update(grads, opt_state)
        return (eqx.apply_updates(model, updates), opt_state), {"loss": loss}

    return ZooProgram(
        name="equinox_scan_layers",
        loss_fn=loss_fn,
        params=model,
        batch={"x": X, "y": Y},
        extra=(),
        has_aux=False,
        train_step=train_step,
        state=(model, tx.init(eqx.filter(model, eqx.is_inexact_array))),
    )


EQUINOX_MODELS = {m.__name__: m for m in (equinox_mlp, equinox_scan_layers)}
