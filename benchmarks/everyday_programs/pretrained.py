"""Models that begin with what another has learned."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import numpy as np
import optax
from flax import linen as nn

import jaxdebug as jd
from benchmarks.small_trainings import cross_entropy, cut, digits, taught


class Layers(nn.Module):
    """Dense layers of these widths."""

    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = x.reshape(x.shape[0], -1)
        for width in self.widths[:-1]:
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(self.widths[-1])(x)


def distilled(seed: int) -> jd.Workload:
    """Linen; the teacher is an argument of the loss."""
    train, other = digits(seed)
    large, small = Layers((128, 10)), Layers((24, 10))

    def answer(params: Any, batch: Any) -> Any:
        return large.apply(params, batch[0])

    teacher = taught(
        lambda params, batch: cross_entropy(answer(params, batch), batch[1]).mean(),
        large.init(jax.random.key(seed + 1), train[0][0]),
        optax.adam(5e-3),
        [*train] * 5,
    )

    def predict(params: Any, batch: Any, teacher: Any) -> Any:
        return small.apply(params, batch[0])

    def loss(params: Any, batch: Any, teacher: Any) -> jax.Array:
        warmth, logits = 3.0, predict(params, batch, teacher)
        wanted = jax.lax.stop_gradient(answer(teacher, batch))
        near = optax.softmax_cross_entropy(
            logits / warmth, jax.nn.softmax(wanted / warmth)
        )
        right = cross_entropy(logits, batch[1])
        return 0.7 * warmth**2 * near.mean() + 0.3 * right.mean()

    return jd.Workload(
        loss_fn=loss,
        params=small.init(jax.random.key(seed), train[0][0]),
        train=train,
        eval=other,
        extra=(teacher,),
        predict_fn=predict,
        optimizer=optax.adam(2e-3),
    )


class Headed(nn.Module):
    """An encoder and a head of five classes."""

    def setup(self) -> None:
        self.encoder, self.head = Layers((64, 32)), nn.Dense(5)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.head(nn.relu(self.encoder(x)))


def transferred(seed: int) -> jd.Workload:
    """Linen; an encoder of low digits stands still under a new head for high ones."""
    every = zip(*itertools.chain(*digits(seed)), strict=True)
    images, labels = [np.concatenate(part) for part in every]
    low, high = labels < 5, labels >= 5
    train, other = cut((images[high], labels[high] - 5), seed, 32)
    model = Headed()

    def predict(params: Any, batch: Any) -> Any:
        return model.apply({"params": params}, batch[0])

    def loss(params: Any, batch: Any) -> jax.Array:
        return cross_entropy(predict(params, batch), batch[1]).mean()

    fresh, first = [
        model.init(jax.random.key(one), images[:1])["params"]
        for one in (seed, seed + 1)
    ]
    lower = (images[low], labels[low])
    known = taught(loss, first, optax.adam(3e-3), [lower] * 60)
    parts: Any = {"trained": optax.adam(3e-3), "still": optax.set_to_zero()}
    return jd.Workload(
        loss_fn=loss,
        params={"encoder": known["encoder"], "head": fresh["head"]},
        train=train,
        eval=other,
        predict_fn=predict,
        optimizer=optax.multi_transform(parts, {"encoder": "still", "head": "trained"}),
        declare=("frozen:encoder/*",),
    )
