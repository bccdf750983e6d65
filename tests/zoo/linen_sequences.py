"""Flax Linen models of sequences: recurrent, attending, scanned over layers."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from tests.zoo.program import ZooProgram, initialised, trained_plainly

KEY = jax.random.key
WIDTH = 4


def _sequences(count: int = 3, length: int = 5) -> np.ndarray:
    shape = (count, length, WIDTH)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def _regression(
    name: str, model: Any, batch: Any, tx: optax.GradientTransformation
) -> ZooProgram:
    """Fit `model(x)` to `y` by least squares."""
    params = initialised(model.init, KEY(0), batch["x"])["params"]

    def loss_fn(params, batch):
        predicted = model.apply({"params": params}, batch["x"])
        return jnp.mean((predicted - batch["y"]) ** 2)

    return trained_plainly(name, loss_fn, params, batch, tx)


class Recurrent(nn.Module):
    cell: Any

    @nn.compact
    def __call__(self, x):
        hidden: Any = nn.RNN(self.cell(WIDTH), name="rnn")(x)
        return nn.Dense(1)(hidden[:, -1])


def linen_gru() -> ZooProgram:
    """A GRU over time."""
    batch = {"x": _sequences(), "y": np.ones((3, 1), np.float32)}
    return _regression("linen_gru", Recurrent(nn.GRUCell), batch, optax.rmsprop(1e-2))


class BidirectionalTagger(nn.Module):
    @nn.compact
    def __call__(self, x, lengths):
        forward = nn.RNN(nn.OptimizedLSTMCell(WIDTH))
        backward = nn.RNN(nn.LSTMCell(WIDTH))
        x = nn.Bidirectional(forward, backward)(x, seq_lengths=lengths)
        return nn.Dense(2)(x)


def linen_lstm() -> ZooProgram:
    """A bidirectional LSTM over sequences of different lengths."""
    model: Any = BidirectionalTagger()
    batch = {
        "x": _sequences(),
        "length": np.array([5, 2, 3]),
        "y": np.arange(15, dtype=np.int32).reshape(3, 5) % 2,
    }
    params = initialised(model.init, KEY(0), batch["x"], batch["length"])["params"]

    def loss_fn(params, batch):
        logits = model.apply({"params": params}, batch["x"], batch["length"])
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch["y"])
        real = jnp.arange(losses.shape[1]) < batch["length"][:, None]
        return jnp.sum(losses * real) / jnp.sum(real)

    return trained_plainly("linen_lstm", loss_fn, params, batch, optax.adam(1e-2))


class MaskedAttention(nn.Module):
    """Attention written by hand, with -inf where a key is padding.

    A row whose keys are all padding would be softmax of -inf alone; those rows are
    given finite logits first and zeroed afterwards.
    """

    @nn.compact
    def __call__(self, x, real):
        q, k, v = (nn.Dense(WIDTH, name=n)(x) for n in ("query", "key", "value"))
        logits = q @ k.swapaxes(-1, -2) / jnp.sqrt(WIDTH)
        allowed = real[:, None, :] & jnp.tril(jnp.ones(logits.shape[1:], bool))
        any_allowed = allowed.any(-1, keepdims=True)
        logits = jnp.where(allowed, logits, -jnp.inf)
        weights = nn.softmax(jnp.where(any_allowed, logits, 0.0))
        weights = jnp.where(any_allowed, weights, 0.0)
        return nn.Dense(WIDTH, name="out")(weights @ v)


class Encoder(nn.Module):
    @nn.compact
    def __call__(self, x, real):
        x = x + MaskedAttention()(nn.LayerNorm()(x), real)
        mask = nn.make_attention_mask(real, real)
        attend = nn.MultiHeadDotProductAttention(num_heads=2, normalize_qk=True)
        x = x + attend(nn.RMSNorm()(x), mask=mask)
        return nn.Dense(1)(x)[..., 0]


def linen_attention() -> ZooProgram:
    """Two kinds of masked attention over padded rows; one row is all padding."""
    model: Any = Encoder()
    real = np.arange(5) < np.array([5, 3, 0])[:, None]
    batch = {"x": _sequences(), "real": real, "y": np.ones((3, 5), np.float32)}
    params = initialised(model.init, KEY(0), batch["x"], real)["params"]

    def loss_fn(params, batch):
        predicted = model.apply({"params": params}, batch["x"], batch["real"])
        errors = optax.huber_loss(predicted, batch["y"])
        return jnp.sum(errors, where=batch["real"]) / batch["real"].sum()

    return trained_plainly("linen_attention", loss_fn, params, batch, optax.lion(1e-3))


class ResidualBlock(nn.Module):
    @nn.compact
    def __call__(self, x, _):
        y = nn.tanh(nn.Dense(8)(nn.LayerNorm()(x)))
        return x + nn.Dense(WIDTH)(y), None


class ScannedStack(nn.Module):
    """Three blocks whose parameters are stacked along a leading axis."""

    block: Any

    @nn.compact
    def __call__(self, x):
        layers = nn.scan(
            self.block,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            length=3,
        )
        x, _ = layers(name="layers")(x, None)
        return nn.Dense(1)(x)[..., 0]


def _stack_batch() -> dict[str, np.ndarray]:
    return {"x": _sequences(), "y": np.ones((3, 5), np.float32)}


def linen_scan_layers() -> ZooProgram:
    """`nn.scan` over layers."""
    model: Any = ScannedStack(ResidualBlock)
    return _regression("linen_scan_layers", model, _stack_batch(), optax.adam(1e-2))


def linen_scan_remat() -> ZooProgram:
    """`nn.remat` inside `nn.scan`, as large transformers are written."""
    model: Any = ScannedStack(nn.remat(ResidualBlock, prevent_cse=False))
    return _regression("linen_scan_remat", model, _stack_batch(), optax.adam(1e-2))


class PolicyStack(nn.Module):
    @nn.compact
    def __call__(self, x):
        block = nn.remat(ResidualBlock, policy=jax.checkpoint_policies.dots_saveable)
        for i in range(2):
            x, _ = block(name=f"block_{i}")(x, None)
        return x[..., 0]


def linen_remat_policy() -> ZooProgram:
    """`nn.remat` that saves matrix products only."""
    return _regression(
        "linen_remat_policy", PolicyStack(), _stack_batch(), optax.sgd(1e-2)
    )


class Ensemble(nn.Module):
    @nn.compact
    def __call__(self, x):
        members = nn.vmap(
            nn.Dense,
            out_axes=-1,
            axis_size=3,
            variable_axes={"params": 0},
            split_rngs={"params": True},
        )
        return members(1, name="members")(jnp.stack([x] * 3)).mean(-1)[..., 0]


def linen_vmap_ensemble() -> ZooProgram:
    """`nn.vmap` over the members of an ensemble."""
    return _regression(
        "linen_vmap_ensemble", Ensemble(), _stack_batch(), optax.sgd(1e-2)
    )


LINEN_SEQUENCES = {
    maker.__name__: maker
    for maker in (
        linen_gru,
        linen_lstm,
        linen_attention,
        linen_scan_layers,
        linen_scan_remat,
        linen_remat_policy,
        linen_vmap_ensemble,
    )
}
