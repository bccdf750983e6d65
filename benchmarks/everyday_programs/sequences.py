"""Sequences, and a value, a tag at every position or what comes next."""

from __future__ import annotations

from typing import Any

import haiku as hk
import jax
import numpy as np
import optax
from flax import linen as nn
from flax.training.train_state import TrainState

import jaxdebug as jd
from benchmarks.small_trainings import cross_entropy, cut


class Tagger(nn.Module):
    """A tag of each token, read in both directions up to the length."""

    @nn.compact
    def __call__(self, tokens: jax.Array, lengths: jax.Array) -> jax.Array:
        read = nn.Bidirectional(nn.RNN(nn.GRUCell(16)), nn.RNN(nn.GRUCell(16)))
        x = read(nn.Embed(40, 16)(tokens), seq_lengths=lengths)
        return nn.Dense(5)(x)


def tags(seed: int) -> jd.Workload:
    """Linen; padded sequences, of which padding is left out of the mean."""
    random, shape = np.random.default_rng(seed), (512, 12)
    mask = np.arange(12) < random.integers(4, 13, (512, 1))
    tokens = random.integers(1, 40, shape)
    wanted = ((tokens % 4) + (np.roll(tokens, 1, 1) > 20)) % 5
    rows = {
        "tokens": (tokens * mask).astype(np.int32),
        "tags": (wanted * mask).astype(np.int32),
        "mask": mask,
    }
    train, other = cut(rows, seed, 32)
    model = Tagger()

    def predict(params: Any, batch: Any) -> Any:
        return model.apply(params, batch["tokens"], batch["mask"].sum(-1))

    def loss(params: Any, batch: Any) -> jax.Array:
        each = cross_entropy(predict(params, batch), batch["tags"])
        return (each * batch["mask"]).sum() / batch["mask"].sum()

    key, first = jax.random.key(seed), train[0]
    return jd.Workload(
        loss_fn=loss,
        params=model.init(key, first["tokens"], first["mask"].sum(-1)),
        train=train,
        eval=other,
        predict_fn=predict,
        inputs="tokens",
        targets="tags",
        mask="mask",
        optimizer=optax.adam(5e-3),
    )


def forecast(seed: int) -> jd.Workload:
    """Haiku; six hours after two days of a seasonal series, evaluated on its end."""
    random, hours = np.random.default_rng(seed), np.arange(1500)
    series = np.sin(2 * np.pi * hours / 24) + 0.5 * np.sin(2 * np.pi * hours / 168 + 1)
    drift = np.convolve(random.normal(size=1500), 0.7 ** np.arange(20), "same")
    series = series + 0.2 * drift
    series = ((series - series[:1000].mean()) / series[:1000].std()).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(series, 54)

    def batches(rows: np.ndarray) -> Any:
        parts = [rows[at : at + 32] for at in range(0, len(rows) - 31, 32)]
        return [(part[:, :48], part[:, 48:]) for part in parts]

    def last(x: jax.Array) -> jax.Array:
        core = hk.LSTM(16)
        read: Any = hk.dynamic_unroll(
            core, x[..., None], core.initial_state(len(x)), time_major=False
        )
        return hk.Linear(6)(read[0][:, -1])

    train, other = batches(random.permutation(windows[:950])), batches(windows[1010:])
    model = hk.without_apply_rng(hk.transform(last))

    def predict(params: Any, batch: Any) -> Any:
        return model.apply(params, batch[0])

    def loss(params: Any, batch: Any) -> jax.Array:
        return optax.huber_loss(predict(params, batch), batch[1]).mean()

    return jd.Workload(
        loss_fn=loss,
        params=model.init(jax.random.key(seed), train[0][0]),
        train=train,
        eval=other,
        predict_fn=predict,
        declare=("time-ordered",),
        optimizer=optax.adam(3e-3),
    )


class Sentiment(nn.Module):
    """One logit of the mean of what an LSTM has read."""

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        x: Any = nn.RNN(nn.OptimizedLSTMCell(16))(nn.Embed(60, 16)(tokens))
        return nn.Dense(1)(nn.LayerNorm()(x.mean(1)))[:, 0]


def accumulated_steps(seed: int) -> jd.Workload:
    """Linen's `TrainState`; four batches a step, decay of matrices, a schedule."""
    random = np.random.default_rng(seed)
    tokens = random.integers(60, size=(800, 12)).astype(np.int32)
    liked = (random.normal(size=60)[tokens].sum(1) > 0).astype(np.float32)
    train, other = cut({"tokens": tokens, "liked": liked}, seed, 16)
    model = Sentiment()
    params = model.init(jax.random.key(seed), train[0]["tokens"])["params"]
    decayed = jax.tree.map(lambda leaf: leaf.ndim > 1, params)
    inner = optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(
            optax.cosine_decay_schedule(5e-3, 500), weight_decay=1e-2, mask=decayed
        ),
    )
    optimizer: Any = optax.MultiSteps(inner, 4)

    def predict(params: Any, batch: Any) -> Any:
        return model.apply({"params": params}, batch["tokens"])

    def loss(params: Any, batch: Any) -> jax.Array:
        logits = predict(params, batch)
        return optax.sigmoid_binary_cross_entropy(logits, batch["liked"]).mean()

    @jax.jit
    def train_step(state: TrainState, batch: Any) -> Any:
        value, gradients = jax.value_and_grad(loss)(state.params, batch)
        return state.apply_gradients(grads=gradients), {"loss": value}

    return jd.Workload(
        loss_fn=loss,
        params=params,
        train=train,
        eval=other,
        predict_fn=predict,
        inputs="tokens",
        targets="liked",
        optimizer=optimizer,
        train_step=train_step,
        state=TrainState.create(apply_fn=model.apply, params=params, tx=optimizer),
    )
