"""Train steps of NNX, in place and of states, in the manner of its public examples."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from optax import microbatching

from tests.steps.fill import cross_entropy
from tests.steps.train_step import TrainStep, X

_ADAM = optax.adam(1e-2)


class _Denoiser(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.time = nnx.Embed(5, 4, rngs=rngs)
        self.first = nnx.Linear(3, 4, rngs=rngs)
        self.norm = nnx.LayerNorm(4, rngs=rngs)
        self.last = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x, times):
        return self.last(nnx.silu(self.norm(self.first(x) + self.time(times))))


def denoiser_with_average() -> TrainStep:
    """Diffusion: a loss weighed by the noise, and a second model that follows."""
    kept = jnp.linspace(0.9, 0.1, 5)

    def loss_fn(model: Any, x: Any, times: Any, noise: Any) -> Any:
        share = kept[times][:, None]
        ratio = share / (1 - share)
        noisy = jnp.sqrt(share) * x + jnp.sqrt(1 - share) * noise
        weight = jnp.minimum(ratio, 2.0) / ratio
        return jnp.mean(weight * (model(noisy, times) - noise) ** 2)

    @nnx.jit
    def step(model: Any, average: Any, optimizer: Any, *batch: Any) -> Any:
        loss, grads = nnx.value_and_grad(loss_fn)(model, *batch)
        optimizer.update(model, grads)
        old, new = (nnx.state(m, nnx.Param) for m in (average, model))
        nnx.update(average, jax.tree.map(lambda a, p: 0.9 * a + 0.1 * p, old, new))
        return loss

    def gradient(model: Any, average: Any, optimizer: Any, *batch: Any) -> Any:
        return nnx.grad(loss_fn)(model, *batch)

    model, average = _Denoiser(nnx.Rngs(0)), _Denoiser(nnx.Rngs(1))
    optimizer = nnx.Optimizer(model, _ADAM, wrt=nnx.Param)
    batch = (X, np.array([0, 4, 2, 2]), np.flip(X, 0))
    return TrainStep(
        step,
        (model, average, optimizer, *batch),
        gradient,
        old=lambda args: nnx.state(args[0], nnx.Param),
        new=None,
    )


class _Kept(nnx.Variable):
    """Part of the loss, which a layer keeps until it is asked for."""


class _Autoencoder(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.encoder = nnx.Linear(3, 4, rngs=rngs)
        self.mean = nnx.Linear(4, 2, rngs=rngs)
        self.spread = nnx.Linear(4, 2, rngs=rngs)
        self.decoder = nnx.Linear(2, 3, rngs=rngs)
        self.rngs = rngs

    def __call__(self, x):
        hidden = nnx.relu(self.encoder(x))
        mean, log_std = self.mean(hidden), self.spread(hidden)
        self.kept = _Kept(
            0.5 * jnp.mean(jnp.exp(2 * log_std) + mean**2 - 1 - 2 * log_std)
        )
        noise = jax.random.normal(self.rngs.noise(), mean.shape)
        return self.decoder(mean + jnp.exp(log_std) * noise)


def loss_kept_by_a_layer() -> TrainStep:
    """A VAE: the divergence is popped from the model, whose key counts on."""

    def loss_fn(model: Any, x: Any) -> Any:
        logits = model(x)
        kept = sum(jax.tree.leaves(nnx.pop(model, _Kept)))
        return optax.sigmoid_binary_cross_entropy(logits, x).mean() + 0.1 * kept

    @nnx.jit
    def step(model: Any, optimizer: Any, x: Any) -> Any:
        loss, grads = nnx.value_and_grad(loss_fn)(model, x)
        optimizer.update(model, grads)
        return loss

    def new() -> Any:
        return _Autoencoder(nnx.Rngs(0, noise=1))

    model = new()
    return TrainStep(
        step,
        (model, nnx.Optimizer(model, _ADAM, wrt=nnx.Param), np.float32(X > 0)),
        lambda _, optimizer, x: nnx.grad(loss_fn)(new(), x),
        old=lambda args: nnx.state(args[0], nnx.Param),
        new=None,
    )


class _Language(nnx.Module, pytree=False):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.words = nnx.Embed(7, 4, rngs=rngs)
        self.norms = [nnx.LayerNorm(4, rngs=rngs) for _ in range(2)]
        self.attention = [
            nnx.MultiHeadAttention(2, 4, rngs=rngs, decode=False) for _ in range(2)
        ]
        self.last = nnx.Linear(4, 7, rngs=rngs)

    def __call__(self, words):
        x = self.words(words)
        for norm, attention in zip(self.norms, self.attention, strict=True):
            x = x + attention(norm(x))
        return self.last(x)


def micro_batched_state() -> TrainStep:
    """A state instead of the model, and Optax adds up over micro-batches."""
    graph, params = nnx.split(_Language(nnx.Rngs(0)))
    optimizer = optax.adamw(1e-2)

    def loss_fn(params: Any, words: Any) -> Any:
        return cross_entropy(nnx.merge(graph, params)(words)[:, :-1], words[:, 1:])

    @jax.jit
    def step(params: Any, state: Any, words: Any) -> Any:
        grads = microbatching.microbatch(
            jax.grad(loss_fn), argnums=1, microbatch_size=2
        )(params, words)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    @jax.jit
    def gradient(params: Any, state: Any, words: Any) -> Any:
        parts = (words[i : i + 2] for i in (0, 2))
        return jax.grad(lambda p: sum(loss_fn(p, part) for part in parts))(params)

    words = np.random.default_rng(0).integers(0, 7, (4, 3))
    return TrainStep(step, (params, optimizer.init(params), words), gradient)


NNX_STEPS = {
    step.__name__: step
    for step in (denoiser_with_average, loss_kept_by_a_layer, micro_batched_state)
}
