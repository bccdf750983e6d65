"""Rows of features, and the likelihood of what is no class and no number alone."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

import jaxdebug as jd
from benchmarks.small_trainings import cut


def dense(key: jax.Array, *widths: int) -> list[tuple[jax.Array, jax.Array]]:
    """Weights and biases of dense layers, drawn by hand."""
    keys = jax.random.split(key, len(widths) - 1)
    return [
        (jax.random.normal(one, (rows, columns)) / rows**0.5, jnp.zeros(columns))
        for one, rows, columns in zip(keys, widths, widths[1:], strict=False)
    ]


def outputs(layers: Any, x: jax.Array) -> jax.Array:
    """Of the dense layers, with tanh between."""
    for weights, biases in layers[:-1]:
        x = jnp.tanh(x @ weights + biases)
    weights, biases = layers[-1]
    return x @ weights + biases


def ordinal(seed: int) -> jd.Workload:
    """Plain JAX; one of five grades, by cuts that are learned too."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(500, 8)).astype(np.float32)
    score = x @ random.normal(size=8) + 0.5 * np.sin(2 * x[:, 0])
    score += 0.8 * random.logistic(size=len(x))
    grade = np.digitize(score, np.quantile(score, [0.1, 0.35, 0.7, 0.9]))
    train, other = cut({"x": x, "grade": grade.astype(np.int32)}, seed, 25)
    params = {
        "layers": dense(jax.random.key(seed), 8, 16, 1),
        "lowest": jnp.array(-1.5),
        "gaps": jnp.zeros(3),
    }

    def predict(params: Any, batch: Any) -> jax.Array:
        gaps = jnp.cumsum(jax.nn.softplus(params["gaps"]))
        cuts = params["lowest"] + jnp.concatenate([jnp.zeros(1), gaps])
        return cuts - outputs(params["layers"], batch["x"])

    def loss(params: Any, batch: Any) -> jax.Array:
        below = (batch["grade"][:, None] <= jnp.arange(4)).astype(jnp.float32)
        each = optax.sigmoid_binary_cross_entropy(predict(params, batch), below)
        return each.sum(-1).mean()

    return jd.Workload(
        loss_fn=loss,
        params=params,
        train=train,
        eval=other,
        predict_fn=predict,
        inputs="x",
        targets="grade",
        optimizer=optax.adam(5e-3),
    )


def counts(seed: int) -> jd.Workload:
    """Plain JAX; Poisson regression, each row seen for a time of its own."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(400, 6)).astype(np.float32)
    time = random.uniform(0.2, 2, 400).astype(np.float32)
    rate = np.exp(0.3 + x @ (0.4 * random.normal(size=6)))
    y = random.poisson(time * rate).astype(np.float32)
    train, other = cut({"x": x, "time": time, "y": y}, seed, 20)

    def predict(params: Any, batch: Any) -> jax.Array:
        linear = batch["x"] @ params["weights"] + params["bias"]
        return linear + jnp.log(batch["time"])

    def loss(params: Any, batch: Any) -> jax.Array:
        logs = predict(params, batch)
        return jnp.mean(jnp.exp(logs) - batch["y"] * logs)

    return jd.Workload(
        loss_fn=loss,
        params={"weights": jnp.zeros(6), "bias": jnp.zeros(())},
        train=train,
        eval=other,
        predict_fn=predict,
        inputs="x",
        targets="y",
        optimizer=optax.sgd(0.05),
    )


class Hazard(nn.Module):
    """The logarithm of a risk; a bias would cancel."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.Dense(1, use_bias=False)(nn.tanh(nn.Dense(16)(x)))[:, 0]


def survival(seed: int) -> jd.Workload:
    """Linen; Cox's partial likelihood, which compares the rows of a batch."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(500, 7)).astype(np.float32)
    risk = np.exp(x[:, 0] - 0.5 * x[:, 1] ** 2 + 0.4 * x[:, 2])
    death, end = random.exponential(1 / risk), random.exponential(2.0, len(x))
    rows = {
        "x": x,
        "time": np.minimum(death, end).astype(np.float32),
        "died": (death < end).astype(np.float32),
    }
    train, other = cut(rows, seed, 50)
    model = Hazard()

    def predict(params: Any, batch: Any) -> Any:
        return model.apply(params, batch["x"])

    def loss(params: Any, batch: Any) -> jax.Array:
        score, time, died = predict(params, batch), batch["time"], batch["died"]
        alive = time[None, :] >= time[:, None]
        among = jax.nn.logsumexp(jnp.where(alive, score[None, :], -jnp.inf), axis=1)
        return -((score - among) * died).sum() / jnp.maximum(died.sum(), 1.0)

    return jd.Workload(
        loss_fn=loss,
        params=model.init(jax.random.key(seed), train[0]["x"]),
        train=train,
        eval=other,
        predict_fn=predict,
        inputs="x",
        targets=lambda batch: (batch["time"], batch["died"]),
        optimizer=optax.adam(3e-3),
    )


def growing_noise(seed: int) -> jd.Workload:
    """Plain JAX in float64; mean and spread of a normal distribution."""
    random = np.random.default_rng(seed)
    x = random.uniform(-3, 3, (1200, 1))
    y = np.sin(x) + (0.05 + 0.1 * np.abs(x)) * random.normal(size=x.shape)
    train, other = cut((x, y), seed, 12)

    def predict(params: Any, batch: Any) -> jax.Array:
        return outputs(params, batch[0])

    def loss(params: Any, batch: Any) -> jax.Array:
        mean, log_spread = jnp.split(predict(params, batch), 2, axis=-1)
        return jnp.mean(
            log_spread + 0.5 * ((batch[1] - mean) / jnp.exp(log_spread)) ** 2
        )

    return jd.Workload(
        loss_fn=loss,
        params=dense(jax.random.key(seed), 1, 20, 20, 2),
        train=train,
        eval=other,
        predict_fn=predict,
        optimizer=optax.adam(5e-3),
    )
