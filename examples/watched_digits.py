"""A training that becomes NaN at step 130, and what the flight recorder says of it.

Run `python -m examples.watched_digits`. It trains a classifier of scikit-learn's
handwritten digits that normalises each image by its own spread. One batch holds a blank
image, whose spread is 0. The run is kept in a temporary folder and read back.
"""

import tempfile
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.training.train_state import TrainState
from sklearn.datasets import load_digits

import jaxdebug as jd

STEPS, BLANK_AT, BATCH_SIZE = 200, 130, 64


class Classifier(nn.Module):
    """Two dense layers on images of mean 0 and spread 1."""

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        x = images - images.mean(-1, keepdims=True)
        x = x / jnp.sqrt((x**2).mean(-1, keepdims=True))
        return nn.Dense(10)(nn.relu(nn.Dense(32)(x)))


@jax.jit
def train_step(state: TrainState, batch: dict[str, Any]) -> tuple[TrainState, Any]:
    """One step of Adam."""

    def loss_fn(params: Any) -> jax.Array:
        logits = state.apply_fn({"params": params}, batch["image"])
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch["label"])
        return losses.mean()

    loss, gradients = jax.value_and_grad(loss_fn)(state.params)
    return state.apply_gradients(grads=gradients), {"loss": loss}


def make_state() -> TrainState:
    """The model as it begins."""
    model = Classifier()
    params = model.init(jax.random.key(0), jnp.ones((1, 64)))["params"]
    return TrainState.create(apply_fn=model.apply, params=params, tx=optax.adam(1e-3))


def make_batches() -> list[dict[str, np.ndarray]]:
    """Random batches, one of them with a blank image."""
    images, labels = load_digits(return_X_y=True)
    random, batches = np.random.default_rng(0), []
    for step in range(STEPS):
        rows = random.integers(0, len(labels), BATCH_SIZE)
        batch = {"image": np.float32(images[rows]), "label": np.int32(labels[rows])}
        if step == BLANK_AT:
            batch["image"][7] = 0
        batches.append(batch)
    return batches


def main() -> None:
    """Train until the first incident; read the run back, and replay it."""
    with tempfile.TemporaryDirectory() as folder:
        run, incidents = Path(folder) / "run", []
        watched = jd.watch(
            train_step, every=50, run_dir=run, on_nonfinite=incidents.append
        )
        with watched as step:
            state = make_state()
            for batch in make_batches():
                state, _ = step(state, batch)
                if incidents:
                    break
        print(incidents[0])
        print(jd.load_run(run))
        replay = jd.replay(incidents[0].bundle, train_step)
        again = replay(make_state(), make_batches()[0])
        print(f"replayed from the disk: {again.reason}")


if __name__ == "__main__":
    main()
