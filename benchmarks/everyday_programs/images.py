"""Images and their classes."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax.training.train_state import TrainState

import jaxdebug as jd
from benchmarks.small_trainings import cross_entropy, cut, digits


class Normalised(nn.Module):
    """Two convolutions, each normalised over the batch, then dropout."""

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        for width in (8, 16):
            x = nn.Conv(width, (3, 3), use_bias=False)(x)
            x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(x)
            x = nn.max_pool(nn.relu(x), (2, 2), (2, 2))
        x = nn.Dropout(0.3, deterministic=not train)(x.reshape(x.shape[0], -1))
        return nn.Dense(10)(x)


class NormalisedState(TrainState):
    """With running averages and a key."""

    batch_stats: Any
    key: Any


def normalised_convolutions(seed: int) -> jd.Workload:
    """Linen with a `TrainState` of its own."""
    train, other = [
        [{"image": 2 * x - 1, "label": y} for x, y in part] for part in digits(seed)
    ]
    model, optimizer = Normalised(), optax.adamw(3e-3, weight_decay=1e-4)
    variables = model.init(jax.random.key(seed), train[0]["image"], train=False)
    params, averages = variables["params"], variables["batch_stats"]

    def loss(params: Any, batch: Any, averages: Any, key: Any) -> Any:
        logits, after = model.apply(
            {"params": params, "batch_stats": averages},
            batch["image"],
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": key},
        )
        return cross_entropy(logits, batch["label"]).mean(), after["batch_stats"]

    def predict(params: Any, batch: Any, averages: Any, key: Any) -> Any:
        variables = {"params": params, "batch_stats": averages}
        return model.apply(variables, batch["image"], train=False)

    def evaluation_loss(params: Any, batch: Any, averages: Any, key: Any) -> Any:
        logits = predict(params, batch, averages, key)
        return cross_entropy(logits, batch["label"]).mean(), averages

    @jax.jit
    def train_step(state: NormalisedState, batch: Any) -> Any:
        key = jax.random.fold_in(state.key, state.step)
        (value, averages), gradients = jax.value_and_grad(loss, has_aux=True)(
            state.params, batch, state.batch_stats, key
        )
        state = state.apply_gradients(grads=gradients, batch_stats=averages)
        return state, {"loss": value}

    return jd.Workload(
        loss_fn=loss,
        params=params,
        train=train,
        eval=other,
        extra=(averages, jax.random.key(seed + 1)),
        has_aux=True,
        next_extra=lambda extra, aux, step: (aux, jax.random.fold_in(extra[1], step)),
        eval_loss_fn=evaluation_loss,
        predict_fn=predict,
        inputs="image",
        targets="label",
        optimizer=optimizer,
        train_step=train_step,
        state=NormalisedState.create(
            apply_fn=model.apply,
            params=params,
            tx=optimizer,
            batch_stats=averages,
            key=jax.random.key(seed + 2),
        ),
    )


class Textures(eqx.Module):
    """Convolutions of one image, normalised over the batch by its axis name."""

    first: eqx.nn.Conv2d
    norm: eqx.nn.BatchNorm
    second: eqx.nn.Conv2d
    dropout: eqx.nn.Dropout
    out: eqx.nn.Linear

    def __init__(self, key: jax.Array) -> None:
        first, second, out = jax.random.split(key, 3)
        self.first = eqx.nn.Conv2d(1, 8, 3, stride=2, padding=1, key=first)
        self.norm = eqx.nn.BatchNorm(8, axis_name="batch", mode="batch")
        self.second = eqx.nn.Conv2d(8, 8, 3, stride=2, padding=1, key=second)
        self.dropout = eqx.nn.Dropout(0.2)
        self.out = eqx.nn.Linear(128, 8, key=out)

    def __call__(
        self, x: jax.Array, state: Any, key: Any = None, inference: bool = False
    ) -> Any:
        x, state = self.norm(self.first(x), state, inference=inference)
        x = jax.nn.relu(self.second(jax.nn.relu(x))).reshape(-1)
        return self.out(self.dropout(x, key=key, inference=inference)), state


def textures(seed: int) -> jd.Workload:
    """Equinox with a state, and a key for each image."""
    random = np.random.default_rng(seed)
    waves = np.fft.fftfreq(16) ** 2
    low = np.exp(-60 * np.add.outer(waves, waves))
    kinds = np.fft.ifft2(np.fft.fft2(random.normal(size=(8, 16, 16))) * low).real
    kinds /= kinds.std()
    labels = random.integers(8, size=480).astype(np.int32)
    noise = 0.7 * random.normal(size=(480, 16, 16))
    images = (0.5 + 0.15 * (kinds[labels] + noise)).clip(0, 1).astype(np.float32)
    train, other = cut((images[:, None], labels), seed, 32)
    model, state = eqx.nn.make_with_state(Textures)(jax.random.key(seed))

    def loss(model: Textures, batch: Any, state: Any, key: Any) -> Any:
        images, labels = batch
        logits, state = jax.vmap(
            model, axis_name="batch", in_axes=(0, None, 0), out_axes=(0, None)
        )(images, state, jax.random.split(key, len(images)))
        return cross_entropy(logits, labels).mean(), state

    def predict(model: Textures, batch: Any, state: Any, key: Any) -> jax.Array:
        return jax.vmap(lambda x: model(x, state, inference=True)[0])(batch[0])

    def evaluation_loss(model: Textures, batch: Any, state: Any, key: Any) -> Any:
        logits = predict(model, batch, state, key)
        return cross_entropy(logits, batch[1]).mean(), state

    return jd.Workload(
        loss_fn=loss,
        params=model,
        train=train,
        eval=other,
        extra=(state, jax.random.key(seed + 1)),
        has_aux=True,
        next_extra=lambda extra, aux, step: (aux, jax.random.fold_in(extra[1], step)),
        eval_loss_fn=evaluation_loss,
        predict_fn=predict,
        optimizer=optax.adam(2e-3),
    )


class Residual(nn.Module):
    """Two convolutions beside a straight path."""

    width: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        def convolved(x: jax.Array, size: int) -> jax.Array:
            return nn.Conv(self.width, (size, size), dtype=jnp.bfloat16)(x)

        y = nn.relu(nn.GroupNorm(4, dtype=jnp.bfloat16)(convolved(x, 3)))
        return nn.relu(convolved(y, 3) + convolved(x, 1))


class Gratings(nn.Module):
    """Residual blocks in bfloat16 on bytes."""

    @nn.compact
    def __call__(self, image: jax.Array) -> jax.Array:
        x = Residual(8)(image.astype(jnp.float32) / 255 - 0.5)
        x = Residual(8)(nn.avg_pool(x, (2, 2), (2, 2)))
        return nn.Dense(4)(x.mean((1, 2)).astype(jnp.float32))


def gratings(seed: int) -> jd.Workload:
    """Linen in bfloat16; the direction of stripes in images of bytes."""
    random = np.random.default_rng(seed)
    labels = random.integers(4, size=600).astype(np.int32)
    down, right = np.mgrid[:12, :12]
    angle, phase = labels * np.pi / 4, random.uniform(0, 2 * np.pi, 600)
    along = np.multiply.outer(np.cos(angle), right)
    along += np.multiply.outer(np.sin(angle), down)
    bright = 127 + 60 * np.sin(1.1 * along + phase[:, None, None])
    bright += 30 * random.normal(size=bright.shape)
    images = bright.clip(0, 255).astype(np.uint8)[..., None]
    train, other = cut({"image": images, "label": labels}, seed, 32)
    model = Gratings()

    def predict(params: Any, batch: Any) -> Any:
        return model.apply(params, batch["image"])

    def loss(params: Any, batch: Any) -> jax.Array:
        return cross_entropy(predict(params, batch), batch["label"]).mean()

    return jd.Workload(
        loss_fn=loss,
        params=model.init(jax.random.key(seed), train[0]["image"]),
        train=train,
        eval=other,
        predict_fn=predict,
        inputs="image",
        targets="label",
        optimizer=optax.sgd(0.05, momentum=0.9, nesterov=True),
    )
