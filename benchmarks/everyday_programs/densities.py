"""What is learned of the inputs alone, without targets."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from sklearn.datasets import make_moons

import jaxdebug as jd
from benchmarks.small_trainings import cut, rows_of_pixels


class Autoencoder(eqx.Module):
    """Eight numbers between two models."""

    encoder: eqx.nn.MLP
    decoder: eqx.nn.MLP

    def __init__(self, key: jax.Array) -> None:
        encoder, decoder = jax.random.split(key)
        self.encoder = eqx.nn.MLP(64, 8, 48, 1, key=encoder)
        self.decoder = eqx.nn.MLP(
            8, 64, 48, 1, final_activation=jax.nn.sigmoid, key=decoder
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.decoder(self.encoder(x))


def autoencoder(seed: int) -> jd.Workload:
    """Equinox; a batch is one array, which is input and target."""
    train, other = rows_of_pixels(seed)

    def predict(model: Autoencoder, batch: Any) -> jax.Array:
        return jax.vmap(model)(batch)

    return jd.Workload(
        loss_fn=lambda model, batch: jnp.mean((predict(model, batch) - batch) ** 2),
        params=Autoencoder(jax.random.key(seed)),
        train=train,
        eval=other,
        predict_fn=predict,
        inputs=lambda batch: batch,
        targets=lambda batch: batch,
        optimizer=optax.adam(1e-3),
    )


class Variational(nn.Module):
    """Logits of pixels from a drawn code, with its mean and log variance."""

    @nn.compact
    def __call__(self, x: jax.Array, key: jax.Array) -> tuple[jax.Array, ...]:
        x = nn.relu(nn.Dense(64)(x))
        mean, log_variance = nn.Dense(6)(x), nn.Dense(6)(x)
        noise = jax.random.normal(key, mean.shape)
        code = mean + jnp.exp(0.5 * log_variance) * noise
        return nn.Dense(64)(nn.relu(nn.Dense(64)(code))), mean, log_variance


def variational_autoencoder(seed: int) -> jd.Workload:
    """Linen; both terms of the bound are auxiliary outputs."""
    train, other = [[{"x": x} for x in part] for part in rows_of_pixels(seed)]
    model, key = Variational(), jax.random.key(seed + 1)

    def loss(params: Any, batch: Any, key: jax.Array) -> Any:
        made: Any = model.apply(params, batch["x"], key)
        logits, mean, log_variance = made
        lost = optax.sigmoid_binary_cross_entropy(logits, batch["x"]).sum(-1)
        apart = mean**2 + jnp.exp(log_variance) - log_variance - 1
        apart = 0.5 * apart.sum(-1)
        return (lost + apart).mean(), {"lost": lost.mean(), "apart": apart.mean()}

    return jd.Workload(
        loss_fn=loss,
        params=model.init(jax.random.key(seed), train[0]["x"], key),
        train=train,
        eval=other,
        extra=(key,),
        has_aux=True,
        predict_fn=lambda params, batch, key: model.apply(params, batch["x"], key)[0],
        inputs="x",
        optimizer=optax.adam(1e-3),
    )


class Denoiser(nn.Module):
    """The noise in a point, told how much there is."""

    @nn.compact
    def __call__(self, x: jax.Array, step: jax.Array) -> jax.Array:
        angle = step[:, None] * jnp.exp(-jnp.arange(8) / 8 * jnp.log(1000.0))
        x = jnp.concatenate([x, jnp.sin(angle), jnp.cos(angle)], -1)
        for _ in range(2):
            x = nn.silu(nn.Dense(64)(x))
        return nn.Dense(2)(x)


def diffusion(seed: int) -> jd.Workload:
    """Linen; noise of two moons, evaluated with noise that stays the same."""
    drawn: Any = make_moons(1024, noise=0.05, random_state=seed)
    points = drawn[0]
    points = ((points - points.mean(0)) / points.std(0)).astype(np.float32)
    train, other = cut(points, seed, 64)
    left = np.cumprod(1 - np.linspace(1e-4, 0.05, 100)).astype(np.float32)
    model = Denoiser()

    def loss(params: Any, batch: Any, key: jax.Array) -> jax.Array:
        of_step, of_noise = jax.random.split(key)
        step = jax.random.randint(of_step, (len(batch),), 0, len(left))
        noise = jax.random.normal(of_noise, batch.shape)
        kept = jnp.asarray(left)[step][:, None]
        noisy = jnp.sqrt(kept) * batch + jnp.sqrt(1 - kept) * noise
        found: Any = model.apply(params, noisy, step)
        return jnp.mean((found - noise) ** 2)

    same = jax.random.key(seed + 1)
    return jd.Workload(
        loss_fn=loss,
        params=model.init(jax.random.key(seed), train[0], np.zeros(64)),
        train=train,
        eval=other,
        extra=(jax.random.key(seed + 2),),
        eval_loss_fn=lambda params, batch, key: loss(params, batch, same),
        inputs=lambda batch: batch,
        optimizer=optax.adam(2e-3),
    )
