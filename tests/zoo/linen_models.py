"""Feed-forward Flax Linen models and the ways they are usually trained."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax.training import dynamic_scale
from flax.training.train_state import TrainState

from tests.zoo.program import ZooProgram, initialised, trained_plainly

KEY = jax.random.key


def _rows(width: int = 6, count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, width)).astype(np.float32)


def _labels(count: int = 4, classes: int = 3) -> np.ndarray:
    return np.arange(count, dtype=np.int32) % classes


def _cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return losses.mean()


class MLP(nn.Module):
    features: tuple[int, ...] = (8, 3)
    dtype: Any = None

    @nn.compact
    def __call__(self, x):
        for width in self.features[:-1]:
            x = nn.relu(nn.Dense(width, dtype=self.dtype)(x))
        return nn.Dense(self.features[-1], dtype=self.dtype)(x)


def linen_mlp() -> ZooProgram:
    """An MLP in a TrainState: clipped global norm, AdamW, a warm-up schedule."""
    model: Any = MLP()
    batch = {"x": _rows(), "y": _labels()}
    schedule = optax.warmup_cosine_decay_schedule(0.0, 1e-2, 5, 50)
    tx = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=1e-2)
    )
    params = initialised(model.init, KEY(0), batch["x"])["params"]

    def loss_fn(params, batch):
        return _cross_entropy(model.apply({"params": params}, batch["x"]), batch["y"])

    @jax.jit
    def train_step(state: TrainState, batch):
        loss, grads = jax.value_and_grad(loss_fn)(state.params, batch)
        metrics = {"loss": loss, "grad_norm": optax.tree.norm(grads)}
        return state.apply_gradients(grads=grads), metrics

    state = TrainState.create(apply_fn=model.apply, params=params, tx=tx)
    return ZooProgram("linen_mlp", loss_fn, params, batch, (), False, train_step, state)


class BatchNormState(TrainState):
    batch_stats: Any


class ConvNet(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool):
        x = nn.Conv(4, (3, 3), use_bias=False)(x)
        x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(x))
        x = nn.max_pool(x, (2, 2), strides=(2, 2))
        x = nn.ConvTranspose(4, (2, 2))(x)
        x = nn.relu(nn.GroupNorm(num_groups=2)(x)).mean(axis=(1, 2))
        return nn.Dense(3)(x)


def linen_batch_norm() -> ZooProgram:
    """A convolutional network whose batch statistics come back as aux."""
    model: Any = ConvNet()
    images = np.random.default_rng(0).normal(size=(4, 4, 4, 1)).astype(np.float32)
    batch = {"image": images, "label": _labels()}
    variables = initialised(model.init, KEY(0), batch["image"], True)

    def loss_fn(params, batch, batch_stats):
        logits, updates = model.apply(
            {"params": params, "batch_stats": batch_stats},
            batch["image"],
            train=True,
            mutable=["batch_stats"],
        )
        return _cross_entropy(logits, batch["label"]), (updates, logits)

    @jax.jit
    def train_step(state: BatchNormState, batch):
        grad_fn = jax.value_and_grad(loss_fn, has_aux=True)
        (loss, (updates, logits)), grads = grad_fn(
            state.params, batch, state.batch_stats
        )
        state = state.apply_gradients(grads=grads, batch_stats=updates["batch_stats"])
        accuracy = jnp.mean(jnp.argmax(logits, -1) == batch["label"])
        return state, {"loss": loss, "accuracy": accuracy}

    params, batch_stats = variables["params"], variables["batch_stats"]
    state = BatchNormState.create(
        apply_fn=model.apply,
        params=params,
        tx=optax.sgd(0.1, momentum=0.9, nesterov=True),
        batch_stats=batch_stats,
    )
    extra = (batch_stats,)
    return ZooProgram(
        "linen_batch_norm", loss_fn, params, batch, extra, True, train_step, state
    )


class DropoutMLP(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool):
        x = nn.gelu(nn.Dense(8)(x))
        x = nn.Dropout(0.5, deterministic=not train)(x)
        return nn.Dense(3)(x)


def linen_dropout() -> ZooProgram:
    """Dropout whose key is folded with the step."""
    model: Any = DropoutMLP()
    batch = {"x": _rows(), "y": _labels()}
    params = initialised(model.init, KEY(0), batch["x"], False)["params"]
    tx = optax.adam(1e-2)

    def loss_fn(params, batch, key):
        logits = model.apply(
            {"params": params}, batch["x"], train=True, rngs={"dropout": key}
        )
        return _cross_entropy(logits, batch["y"])

    @jax.jit
    def train_step(state, batch):
        key = jax.random.fold_in(state["key"], state["step"])
        loss, grads = jax.value_and_grad(loss_fn)(state["params"], batch, key)
        updates, opt_state = tx.update(grads, state["opt_state"])
        params = optax.apply_updates(state["params"], updates)
        state = {**state, "params": params, "opt_state": opt_state}
        return {**state, "step": state["step"] + 1}, {"loss": loss}

    state = {
        "params": params,
        "opt_state": tx.init(params),
        "key": KEY(1),
        "step": jnp.zeros((), jnp.int32),
    }
    extra = (KEY(1),)
    return ZooProgram(
        "linen_dropout", loss_fn, params, batch, extra, False, train_step, state
    )


def linen_bfloat16() -> ZooProgram:
    """Mixed precision: float32 parameters, bfloat16 arithmetic, float32 loss."""
    model: Any = MLP(features=(8, 8, 3), dtype=jnp.bfloat16)
    batch = {"x": _rows(), "y": _labels()}
    params = initialised(model.init, KEY(0), batch["x"])["params"]

    def loss_fn(params, batch):
        logits = model.apply({"params": params}, batch["x"])
        return _cross_entropy(logits.astype(jnp.float32), batch["y"])

    return trained_plainly("linen_bfloat16", loss_fn, params, batch, optax.adamw(1e-3))


def linen_loss_scaling() -> ZooProgram:
    """Float16 arithmetic with Flax's dynamic loss scale."""
    model: Any = MLP(dtype=jnp.float16)
    batch = {"x": _rows(), "y": _labels()}
    params = initialised(model.init, KEY(0), batch["x"])["params"]
    tx = optax.sgd(1e-2)

    def loss_fn(params, batch):
        logits = model.apply({"params": params}, batch["x"])
        return _cross_entropy(logits.astype(jnp.float32), batch["y"])

    @jax.jit
    def train_step(state, batch):
        params, opt_state, scale = state
        scale, is_finite, loss, grads = scale.value_and_grad(loss_fn)(params, batch)
        updates, new_opt_state = tx.update(grads, opt_state, params)
        new_params = optax.apply_updates(params, updates)
        kept = jax.tree.map(
            lambda new, old: jnp.where(is_finite, new, old),
            (new_params, new_opt_state),
            (params, opt_state),
        )
        return (*kept, scale), {"loss": loss, "scale": scale.scale}

    state = (params, tx.init(params), dynamic_scale.DynamicScale())
    return ZooProgram(
        "linen_loss_scaling", loss_fn, params, batch, (), False, train_step, state
    )


class BagOfWords(nn.Module):
    """Embeds words, averages the real ones and predicts with the tied embedding."""

    @nn.compact
    def __call__(self, words):
        embed = nn.Embed(11, 4)
        real = (words > 0)[..., None]
        x = jnp.sum(embed(words) * real, 1) / jnp.maximum(real.sum(1), 1)
        return embed.attend(nn.LayerNorm()(x))


def linen_embedding() -> ZooProgram:
    """Integer inputs with padding and an embedding used twice."""
    model: Any = BagOfWords()
    words = np.array([[1, 5, 0], [3, 0, 0], [10, 9, 8]], np.int32)
    batch = {"words": words, "next": np.array([2, 4, 7], np.int32)}
    params = initialised(model.init, KEY(0), words)["params"]

    def loss_fn(params, batch):
        logits = model.apply({"params": params}, batch["words"])
        return _cross_entropy(logits, batch["next"])

    tx = optax.adafactor(1e-2, min_dim_size_to_factor=4)
    return trained_plainly("linen_embedding", loss_fn, params, batch, tx)


class VAE(nn.Module):
    latents: int = 2

    @nn.compact
    def __call__(self, x):
        hidden = nn.relu(nn.Dense(8, name="encoder")(x))
        mean = nn.Dense(self.latents, name="mean")(hidden)
        log_variance = nn.Dense(self.latents, name="log_variance")(hidden)
        noise = jax.random.normal(self.make_rng("latent"), mean.shape)
        latent = mean + jnp.exp(0.5 * log_variance) * noise
        hidden = nn.relu(nn.Dense(8, name="decoder")(latent))
        return nn.Dense(x.shape[-1], name="logits")(hidden), mean, log_variance


def linen_vae() -> ZooProgram:
    """A variational autoencoder with reparameterised samples and a metrics aux."""
    model: Any = VAE()
    batch = (_rows() > 0).astype(np.float32)
    keys = {"params": KEY(0), "latent": KEY(1)}
    params = initialised(model.init, keys, batch)["params"]
    tx = optax.adam(1e-2)

    def loss_fn(params, batch, key):
        logits, mean, log_variance = model.apply(
            {"params": params}, batch, rngs={"latent": key}
        )
        rebuild = optax.sigmoid_binary_cross_entropy(logits, batch).sum(-1).mean()
        kl = -0.5 * jnp.sum(1 + log_variance - mean**2 - jnp.exp(log_variance), -1)
        return rebuild + kl.mean(), {"rebuild": rebuild, "kl": kl.mean()}

    @jax.jit
    def train_step(state, batch):
        params, opt_state, key = state
        key, latent_key = jax.random.split(key)
        grads, metrics = jax.grad(loss_fn, has_aux=True)(params, batch, latent_key)
        updates, opt_state = tx.update(grads, opt_state)
        return (optax.apply_updates(params, updates), opt_state, key), metrics

    state = (params, tx.init(params), KEY(2))
    extra = (KEY(2),)
    return ZooProgram(
        "linen_vae", loss_fn, params, batch, extra, True, train_step, state
    )


LINEN_MODELS = {
    maker.__name__: maker
    for maker in (
        linen_mlp,
        linen_batch_norm,
        linen_dropout,
        linen_bfloat16,
        linen_loss_scaling,
        linen_embedding,
        linen_vae,
    )
}
