"""Rows of features, and what is predicted of them."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax import nnx
from sklearn.datasets import (
    load_breast_cancer,
    make_classification,
    make_multilabel_classification,
)

import jaxdebug as jd
from benchmarks.small_trainings import cut


class Tumours(nnx.Module):
    """Normalised hidden units with dropout."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(30, 32, rngs=rngs)
        self.norm = nnx.LayerNorm(32, rngs=rngs)
        self.dropout = nnx.Dropout(0.2, rngs=rngs)
        self.second = nnx.Linear(32, 32, rngs=rngs)
        self.out = nnx.Linear(32, 1, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.dropout(nnx.gelu(self.norm(self.first(x))))
        return self.out(nnx.gelu(self.second(x)))[:, 0]


def breast_cancer(seed: int) -> jd.Workload:
    """NNX with dropout; evaluation works on a copy of the model."""
    loaded: Any = load_breast_cancer(return_X_y=True)
    x, y = loaded
    x = ((x - x.mean(0)) / x.std(0)).astype(np.float32)
    train, other = cut({"x": x, "y": y.astype(np.float32)}, seed, 32)

    def loss(model: Tumours, batch: Any) -> jax.Array:
        logits = model(batch["x"])
        return optax.sigmoid_binary_cross_entropy(logits, batch["y"]).mean()

    def evaluated(model: Tumours) -> Tumours:
        copy = nnx.clone(model)
        copy.eval()
        return copy

    return jd.Workload(
        loss_fn=loss,
        params=Tumours(nnx.Rngs(seed)),
        train=train,
        eval=other,
        eval_loss_fn=lambda model, batch: loss(evaluated(model), batch),
        predict_fn=lambda model, batch: evaluated(model)(batch["x"]),
        inputs="x",
        targets="y",
        optimizer=optax.adam(1e-3),
    )


class Risk(nn.Module):
    """One logit of a row."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(nn.Dense(16)(nn.relu(nn.Dense(32)(x))))
        return nn.Dense(1)(x)[..., 0]


def rare_class(seed: int) -> jd.Workload:
    """Linen; one row in twenty is positive and counts ten times."""
    drawn: Any = make_classification(
        4000, 20, n_informative=8, weights=[0.95], flip_y=0.01, random_state=seed
    )
    x, y = drawn
    batches = {"x": x.astype(np.float32), "y": y.astype(np.int32)}
    train, other = cut(batches, seed, 64)
    model = Risk()

    def predict(params: Any, batch: Any) -> Any:
        return model.apply(params, batch["x"])

    def loss(params: Any, batch: Any) -> jax.Array:
        weight = jnp.where(batch["y"] == 1, 10.0, 1.0)
        logits = predict(params, batch)
        each = optax.sigmoid_binary_cross_entropy(logits, batch["y"])
        return jnp.mean(weight * each)

    return jd.Workload(
        loss_fn=loss,
        params=model.init(jax.random.key(seed), train[0]["x"]),
        train=train,
        eval=other,
        predict_fn=predict,
        inputs="x",
        targets="y",
        optimizer=optax.adam(1e-3),
    )


def several_labels(seed: int) -> jd.Workload:
    """Haiku; any of six labels may be true of a row."""
    drawn: Any = make_multilabel_classification(
        1200, 24, n_classes=6, n_labels=2, random_state=seed
    )
    x, y = np.log1p(drawn[0]).astype(np.float32), drawn[1].astype(np.float32)
    train, other = cut({"x": x, "y": y}, seed, 50)
    model = hk.without_apply_rng(hk.transform(lambda x: hk.nets.MLP([32, 32, 6])(x)))

    def predict(params: Any, batch: Any) -> Any:
        return model.apply(params, batch["x"])

    def loss(params: Any, batch: Any) -> jax.Array:
        logits = predict(params, batch)
        return optax.sigmoid_binary_cross_entropy(logits, batch["y"]).sum(-1).mean()

    return jd.Workload(
        loss_fn=loss,
        params=model.init(jax.random.key(seed), train[0]["x"]),
        train=train,
        eval=other,
        predict_fn=predict,
        inputs="x",
        targets="y",
        optimizer=optax.adam(1e-3),
    )


def ridge(seed: int) -> jd.Workload:
    """Plain JAX; a penalised linear model of 40 rows, all of them one batch."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(40, 5)) * [1, 2, 0.5, 3, 1] + [0, 1, 2, -1, 5]
    y = x @ random.normal(size=5) + 10 + 0.5 * random.normal(size=40)
    x, y = x.astype(np.float32), y.astype(np.float32)

    def predict(params: Any, batch: Any) -> jax.Array:
        return batch[0] @ params["weights"] + params["bias"]

    def loss(params: Any, batch: Any) -> jax.Array:
        error = predict(params, batch) - batch[1]
        return 0.5 * jnp.mean(error**2) + 1e-3 * jnp.sum(params["weights"] ** 2)

    return jd.Workload(
        loss_fn=loss,
        params={"weights": jnp.zeros(5), "bias": jnp.asarray(y[:30].mean())},
        train=[(x[:30], y[:30])],
        eval=[(x[30:], y[30:])],
        predict_fn=predict,
        optimizer=optax.sgd(1e-2, momentum=0.9),
    )


class Quantiles(nnx.Module):
    """Three numbers of a row."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(4, 32, rngs=rngs)
        self.second = nnx.Linear(32, 32, rngs=rngs)
        self.out = nnx.Linear(32, 3, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.out(nnx.silu(self.second(nnx.silu(self.first(x)))))


def quantiles(seed: int) -> jd.Workload:
    """NNX; the 0.1, 0.5 and 0.9 quantile of a price whose spread grows."""
    random, rows = np.random.default_rng(seed), 1500
    income = random.gamma(3, 1.3, rows)
    rooms = random.lognormal(1.6, 0.3, rows)
    people = np.log(random.lognormal(7, 0.8, rows))
    latitude = random.uniform(32, 42, rows)
    noise = 0.3 * income**0.5 * random.normal(size=rows)
    price = 0.4 * income + 0.1 * rooms - 0.1 * (latitude - 37) + noise
    x = np.stack([income, rooms, people, latitude], 1)
    x = ((x - x.mean(0)) / x.std(0)).astype(np.float32)
    train, other = cut({"x": x, "y": price.astype(np.float32)}, seed, 64)
    levels = np.array([0.1, 0.5, 0.9], np.float32)

    def loss(model: Quantiles, batch: Any) -> jax.Array:
        error = batch["y"][:, None] - model(batch["x"])
        return jnp.maximum(levels * error, (levels - 1) * error).mean()

    return jd.Workload(
        loss_fn=loss,
        params=Quantiles(nnx.Rngs(seed)),
        train=train,
        eval=other,
        predict_fn=lambda model, batch: model(batch["x"]),
        inputs="x",
        targets="y",
        optimizer=optax.adam(1e-3),
    )


class Experts(eqx.Module):
    """Four experts, two for each row; also what balances them."""

    gate: eqx.nn.Linear
    experts: eqx.nn.MLP
    out: eqx.nn.Linear

    def __init__(self, key: jax.Array) -> None:
        gate, experts, out = jax.random.split(key, 3)
        self.gate = eqx.nn.Linear(8, 4, key=gate)
        self.experts = eqx.filter_vmap(lambda key: eqx.nn.MLP(8, 8, 16, 1, key=key))(
            jax.random.split(experts, 4)
        )
        self.out = eqx.nn.Linear(8, 1, key=out)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        scores = self.gate(x)
        best, which = jax.lax.top_k(scores, 2)
        weights = jnp.zeros_like(scores).at[which].set(jax.nn.softmax(best))
        each = eqx.filter_vmap(lambda expert: expert(x))(self.experts)
        return self.out(weights @ each), jax.nn.softmax(scores), weights > 0


def mixture_of_experts(seed: int) -> jd.Workload:
    """Equinox in bfloat16; parameters, loss and balance in float32."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(3000, 8)).astype(np.float32)
    y = np.sin(2 * x[:, :1]) * np.sign(x[:, 1:2]) + 0.3 * x[:, 2:3]
    y = (y + 0.1 * random.normal(size=y.shape)).astype(np.float32)
    train, other = cut((x, y), seed, 50)

    def forward(model: Experts, x: jax.Array) -> Any:
        def halve(leaf: Any) -> Any:
            return leaf.astype(jnp.bfloat16) if eqx.is_inexact_array(leaf) else leaf

        return jax.vmap(jax.tree.map(halve, model))(x.astype(jnp.bfloat16))

    def loss(model: Experts, batch: Any) -> jax.Array:
        outputs, shares, used = forward(model, batch[0])
        share, use = [part.astype(jnp.float32).mean(0) for part in (shares, used)]
        squares = (outputs.astype(jnp.float32) - batch[1]) ** 2
        return squares.mean() + 0.01 * 4 * (share * use).sum()

    return jd.Workload(
        loss_fn=loss,
        params=Experts(jax.random.key(seed)),
        train=train,
        eval=other,
        predict_fn=lambda model, batch: forward(model, batch[0])[0].astype(jnp.float32),
        optimizer=optax.adam(2e-3),
    )
