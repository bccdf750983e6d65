"""Models of text, character by character."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from sklearn import datasets

import jaxdebug as jd
from benchmarks.small_trainings import cross_entropy, cut

WIDTH = 16


def text(seed: int, length: int) -> tuple[list[np.ndarray], list[np.ndarray], int]:
    """Batches of pieces of what is written on data, others, and how many characters."""
    described: list[Any] = [
        load()
        for load in (
            datasets.load_breast_cancer,
            datasets.load_wine,
            datasets.load_iris,
            datasets.load_digits,
        )
    ]
    written = "".join(one.DESCR for one in described).lower()
    letters, numbers = np.unique([*written], return_inverse=True)
    pieces = numbers[: len(numbers) // length * length].reshape(-1, length)
    return *cut(pieces.astype(np.int32), seed, 16), len(letters)


class Block(nnx.Module):
    """Attention that looks back, and two dense layers."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.before = nnx.LayerNorm(WIDTH, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(2, WIDTH, decode=False, rngs=rngs)
        self.between = nnx.LayerNorm(WIDTH, rngs=rngs)
        self.up = nnx.Linear(WIDTH, 4 * WIDTH, rngs=rngs)
        self.down = nnx.Linear(4 * WIDTH, WIDTH, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        mask = nnx.make_causal_mask(x[..., 0])
        x = x + self.attention(self.before(x), mask=mask)
        return x + self.down(nnx.gelu(self.up(self.between(x))))


class Transformer(nnx.Module):
    """Two blocks."""

    def __init__(self, letters: int, length: int, rngs: nnx.Rngs) -> None:
        self.letter = nnx.Embed(letters, WIDTH, rngs=rngs)
        self.place = nnx.Embed(length, WIDTH, rngs=rngs)
        self.blocks = nnx.List([Block(rngs) for _ in range(2)])
        self.norm = nnx.LayerNorm(WIDTH, rngs=rngs)
        self.head = nnx.Linear(WIDTH, letters, rngs=rngs)

    def __call__(self, letters: jax.Array) -> jax.Array:
        x = self.letter(letters) + self.place(jnp.arange(letters.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def transformer(seed: int) -> jd.Workload:
    """NNX; a batch is one array, cut by `inputs` and `targets`; clipped, warmed up."""
    train, other, letters = text(seed, 25)
    rate = optax.warmup_cosine_decay_schedule(0.0, 3e-3, 20, 400)

    def predict(model: Transformer, batch: Any) -> jax.Array:
        return model(batch[:, :-1])

    def loss(model: Transformer, batch: Any) -> jax.Array:
        return cross_entropy(predict(model, batch), batch[:, 1:]).mean()

    return jd.Workload(
        loss_fn=loss,
        params=Transformer(letters, 24, nnx.Rngs(seed)),
        train=train,
        eval=other,
        predict_fn=predict,
        inputs=lambda batch: batch[:, :-1],
        targets=lambda batch: batch[:, 1:],
        declare=("causal",),
        optimizer=optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate)),
    )


def recurrent(seed: int) -> jd.Workload:
    """Plain JAX; a gated unit in a scan; the loss shifts the tokens itself."""
    train, other, letters = text(seed, 25)
    keys = jax.random.split(jax.random.key(seed), 4)

    def drawn(key: jax.Array, rows: int, columns: int) -> jax.Array:
        return jax.random.normal(key, (rows, columns)) / rows**0.5

    params = {
        "letters": 0.1 * jax.random.normal(keys[0], (letters, WIDTH)),
        "read": drawn(keys[1], WIDTH, 3 * WIDTH),
        "kept": drawn(keys[2], WIDTH, 3 * WIDTH),
        "bias": jnp.zeros(3 * WIDTH),
        "out": 0.1 * drawn(keys[3], WIDTH, letters),
        "out bias": jnp.zeros(letters),
    }

    def predict(params: Any, batch: Any) -> jax.Array:
        x = params["letters"][batch["tokens"][:, :-1]] @ params["read"] + params["bias"]

        def cell(state: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
            reset, update, new = jnp.split(x, 3, axis=-1)
            old = jnp.split(state @ params["kept"], 3, axis=-1)
            update = jax.nn.sigmoid(update + old[1])
            new = jnp.tanh(new + jax.nn.sigmoid(reset + old[0]) * old[2])
            state = (1 - update) * new + update * state
            return state, state

        _, states = jax.lax.scan(cell, jnp.zeros((len(x), WIDTH)), x.swapaxes(0, 1))
        return states.swapaxes(0, 1) @ params["out"] + params["out bias"]

    def loss(params: Any, batch: Any) -> jax.Array:
        return cross_entropy(predict(params, batch), batch["tokens"][:, 1:]).mean()

    return jd.Workload(
        loss_fn=loss,
        params=params,
        train=[{"tokens": part} for part in train],
        eval=[{"tokens": part} for part in other],
        predict_fn=predict,
        inputs="tokens",
        targets="tokens",
        optimizer=optax.adam(5e-3),
    )
