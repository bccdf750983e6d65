"""A small classifier with batch normalisation and dropout, and its train step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

import jaxdebug as jd
from benchmarks.small_trainings import cross_entropy, digits


class Normalised(nn.Module):
    """One hidden layer; what is live is said call by call."""

    first: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, average: bool, dropout: bool) -> jax.Array:
        def norm(x: jax.Array) -> jax.Array:
            return nn.BatchNorm(use_running_average=average, momentum=0.9)(x)

        x = x.reshape(x.shape[0], -1)
        x = nn.Dense(64)(norm(x) if self.first else x)
        x = nn.relu(norm(x))
        return nn.Dense(10)(nn.Dropout(0.3, deterministic=not dropout)(x))


def normalised(
    seed: int,
    *,
    evaluated: tuple[bool, bool] = (True, False),
    written: bool = True,
    folded: bool = True,
    first: bool = False,
    scale: float = 1.0,
    **changed: Any,
) -> jd.Workload:
    """A workload of it.

    Args:
        seed: of data and parameters.
        evaluated: whether running averages and dropout are used in evaluation.
        written: whether the step keeps the running averages.
        folded: whether the step takes another key each time.
        first: whether the inputs are normalised too.
        scale: of the inputs.
        changed: fields of the workload.
    """
    model, (train, other) = Normalised(first), digits(seed)
    train, other = [[(scale * x, y) for x, y in part] for part in (train, other)]
    variables = model.init(jax.random.key(seed), train[0][0], True, False)
    params, averages = variables["params"], variables["batch_stats"]
    optimizer = optax.adam(3e-3)

    def run(params: Any, batch: Any, averages: Any, key: Any, how: Any) -> Any:
        logits, after = model.apply(
            {"params": params, "batch_stats": averages},
            batch[0],
            *how,
            mutable=["batch_stats"],
            rngs={"dropout": key},
        )
        return logits, after["batch_stats"]

    def loss(params: Any, batch: Any, averages: Any, key: Any) -> Any:
        logits, after = run(params, batch, averages, key, (False, True))
        return jnp.mean(cross_entropy(logits, batch[1])), after

    def evaluation_loss(params: Any, batch: Any, averages: Any, key: Any) -> Any:
        logits, after = run(params, batch, averages, key, evaluated)
        return jnp.mean(cross_entropy(logits, batch[1])), after

    def predict(params: Any, batch: Any, averages: Any, key: Any) -> Any:
        return run(params, batch, averages, key, (True, False))[0]

    @jax.jit
    def train_step(state: Any, batch: Any) -> Any:
        params, opt_state, averages, key, count = state
        own = jax.random.fold_in(key, count) if folded else key
        (value, after), gradients = jax.value_and_grad(loss, has_aux=True)(
            params, batch, averages, own
        )
        updates, opt_state = optimizer.update(gradients, opt_state, params)
        params = optax.apply_updates(params, updates)
        kept = after if written else averages
        return (params, opt_state, kept, key, count + 1), {"loss": value}

    key = jax.random.key(seed + 1)
    workload = jd.Workload(
        loss_fn=loss,
        params=params,
        train=train,
        eval=other,
        extra=(averages, key),
        has_aux=True,
        next_extra=lambda extra, aux, step: (aux, jax.random.fold_in(extra[1], step)),
        eval_loss_fn=evaluation_loss,
        predict_fn=predict,
        optimizer=optimizer,
        train_step=train_step,
        state=(params, optimizer.init(params), averages, key, jnp.int32(0)),
    )
    return replace(workload, **changed)
