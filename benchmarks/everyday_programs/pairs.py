"""Things that are compared: views, pairs, triplets, lists, users and what they rate."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax import nnx
from sklearn.datasets import load_wine

import jaxdebug as jd
from benchmarks.small_trainings import cross_entropy, cut, rows_of_pixels

TRIPLET = ("anchor", "positive", "negative")


def of_length_one(x: jax.Array) -> jax.Array:
    """Rows; a row of zeros stays one, with a gradient."""
    return x * jax.lax.rsqrt(jnp.sum(x**2, -1, keepdims=True) + 1e-8)


class Encoder(nn.Module):
    """Sixteen numbers of a row."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.Dense(16)(nn.relu(nn.Dense(64)(nn.relu(nn.Dense(64)(x)))))


def contrasted_views(seed: int) -> jd.Workload:
    """Linen; two views of a digit with pixels left out, against those of all others."""
    train, other = [[{"x": x} for x in part] for part in rows_of_pixels(seed)]
    model = Encoder()

    def loss(params: Any, batch: Any, key: jax.Array) -> jax.Array:
        x = jnp.concatenate([batch["x"], batch["x"]])
        seen: Any = model.apply(params, x * jax.random.bernoulli(key, 0.7, x.shape))
        codes, rows = of_length_one(seen), jnp.arange(len(x))
        alike = jnp.where(jnp.eye(len(x), dtype=bool), -jnp.inf, codes @ codes.T / 0.2)
        return cross_entropy(alike, (rows + len(x) // 2) % len(x)).mean()

    return jd.Workload(
        loss_fn=loss,
        params=model.init(jax.random.key(seed), train[0]["x"]),
        train=train,
        eval=other,
        extra=(jax.random.key(seed + 1),),
        predict_fn=lambda params, batch, key: model.apply(params, batch["x"]),
        inputs="x",
        optimizer=optax.adam(1e-3),
    )


class Towers(eqx.Module):
    """One model for each side, and how sharply they are compared."""

    left: eqx.nn.MLP
    right: eqx.nn.MLP
    log_scale: jax.Array

    def __init__(self, key: jax.Array) -> None:
        left, right = jax.random.split(key)
        self.left = eqx.nn.MLP(20, 16, 48, 1, key=left)
        self.right = eqx.nn.MLP(15, 16, 48, 1, key=right)
        self.log_scale = jnp.log(10.0)


def two_towers(seed: int) -> jd.Workload:
    """Equinox; which right side belongs to which left, as CLIP learns it."""
    random = np.random.default_rng(seed)
    hidden = random.normal(size=(640, 6))
    sides = [
        np.tanh(hidden @ random.normal(size=(6, width)))
        + 0.1 * random.normal(size=(640, width))
        for width in (20, 15)
    ]
    train, other = cut(tuple(side.astype(np.float32) for side in sides), seed, 32)

    def predict(model: Towers, batch: Any) -> jax.Array:
        left = of_length_one(jax.vmap(model.left)(batch[0]))
        right = of_length_one(jax.vmap(model.right)(batch[1]))
        return jnp.exp(model.log_scale) * left @ right.T

    def loss(model: Towers, batch: Any) -> jax.Array:
        alike = predict(model, batch)
        own = jnp.arange(len(alike))
        return (cross_entropy(alike, own) + cross_entropy(alike.T, own)).mean() / 2

    return jd.Workload(
        loss_fn=loss,
        params=Towers(jax.random.key(seed)),
        train=train,
        eval=other,
        predict_fn=predict,
        optimizer=optax.adamw(1e-3),
    )


class Embedding(nnx.Module):
    """A direction for a wine."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(13, 32, rngs=rngs)
        self.second = nnx.Linear(32, 8, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return of_length_one(self.second(nnx.relu(self.first(x))))


def triplets(seed: int) -> jd.Workload:
    """NNX; a wine is nearer to one of its cultivar than to another, by a margin."""
    loaded: Any = load_wine(return_X_y=True)
    x, y = loaded
    x = ((x - x.mean(0)) / x.std(0)).astype(np.float32)
    random = np.random.default_rng(seed)

    def drawn(rows: np.ndarray) -> Any:
        same = y[rows][:, None] == y[rows][None, :]

        def one_of(each: np.ndarray) -> np.ndarray:
            return np.array([random.choice(rows[kept]) for kept in each])

        chosen = random.integers(len(rows), size=32)
        other = one_of(same[chosen]), one_of(~same[chosen])
        places = (rows[chosen], *other)
        return {name: x[at] for name, at in zip(TRIPLET, places, strict=True)}

    order = random.permutation(len(x))
    kept, held = order[:124], order[124:]

    def loss(model: Embedding, batch: Any) -> jax.Array:
        anchor, *others = [model(batch[name]) for name in TRIPLET]
        near, far = [((anchor - one) ** 2).sum(-1) for one in others]
        return jnp.maximum(near - far + 0.5, 0.0).mean()

    return jd.Workload(
        loss_fn=loss,
        params=Embedding(nnx.Rngs(seed)),
        train=[drawn(kept) for _ in range(20)],
        eval=[drawn(held) for _ in range(5)],
        predict_fn=lambda model, batch: model(batch["anchor"]),
        inputs="anchor",
        optimizer=optax.adam(1e-3),
    )


class Scorer(nn.Module):
    """A score of each document."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.Dense(1)(nn.swish(nn.Dense(32)(x)))[..., 0]


def ranked_lists(seed: int) -> jd.Workload:
    """Linen; eight documents for each query, compared within the list."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(320, 8, 12)).astype(np.float32)
    useful = x @ random.normal(size=12) + random.normal(size=(320, 8))
    place = useful.argsort(-1).argsort(-1)
    grade = np.maximum(place - 4, 0).astype(np.float32)
    train, other = cut({"documents": x, "grade": grade}, seed, 16)
    model = Scorer()

    def predict(params: Any, batch: Any) -> Any:
        return model.apply(params, batch["documents"])

    def loss(params: Any, batch: Any) -> jax.Array:
        wanted = jax.nn.softmax(batch["grade"])
        return optax.softmax_cross_entropy(predict(params, batch), wanted).mean()

    return jd.Workload(
        loss_fn=loss,
        params=model.init(jax.random.key(seed), x[:1]),
        train=train,
        eval=other,
        predict_fn=predict,
        inputs="documents",
        targets="grade",
        optimizer=optax.adam(3e-3),
    )


def ratings(seed: int) -> jd.Workload:
    """Plain JAX; stars of users for films by a product of embeddings."""
    random, rows = np.random.default_rng(seed), 4000
    tastes, films = random.normal(size=(120, 3)), random.normal(size=(80, 3))
    user, film = random.integers(120, size=rows), random.integers(80, size=rows)
    liked = 3.5 + 0.7 * (tastes[user] * films[film]).sum(-1)
    stars = np.clip(np.round(liked + 0.4 * random.normal(size=rows)), 1, 5)
    arrays = {
        "user": user.astype(np.int32),
        "film": film.astype(np.int32),
        "stars": stars.astype(np.float32),
    }
    train, other = cut(arrays, seed, 128)
    keys = jax.random.split(jax.random.key(seed))
    params = {
        "user": 0.1 * jax.random.normal(keys[0], (120, 8)),
        "film": 0.1 * jax.random.normal(keys[1], (80, 8)),
        "of user": jnp.zeros(120),
        "of film": jnp.zeros(80),
        "mean": jnp.array(3.5),
    }

    def predict(params: Any, batch: Any) -> jax.Array:
        user, film = batch["user"], batch["film"]
        product = (params["user"][user] * params["film"][film]).sum(-1)
        return (
            params["mean"] + params["of user"][user] + params["of film"][film] + product
        )

    def loss(params: Any, batch: Any) -> jax.Array:
        used = [jnp.mean(params[name][batch[name]] ** 2) for name in ("user", "film")]
        error = predict(params, batch) - batch["stars"]
        return jnp.mean(error**2) + 0.02 * sum(used)

    return jd.Workload(
        loss_fn=loss,
        params=params,
        train=train,
        eval=other,
        predict_fn=predict,
        inputs=lambda batch: (batch["user"], batch["film"]),
        targets="stars",
        optimizer=optax.adam(1e-2),
    )
