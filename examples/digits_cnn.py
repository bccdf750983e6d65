"""A small convolutional network on scikit-learn's handwritten digits.

Run `python -m examples.digits_cnn` to train it and audit it, or audit it alone with
`jaxdebug audit examples/digits_cnn.py`.
"""

from typing import Any

import jax
import numpy as np
import optax
from flax import linen as nn
from sklearn.datasets import load_digits

import jaxdebug as jd

BATCH_SIZE = 64
TRAIN_SIZE, EVAL_SIZE, TEST_SIZE = 1280, 256, 256
Batch = dict[str, np.ndarray]


class DigitsCNN(nn.Module):
    """Two convolutions, one pooling and two dense layers: 38 282 parameters."""

    classes: int = 10

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        x = nn.relu(nn.Conv(16, kernel_size=(3, 3))(images))
        x = nn.relu(nn.Conv(32, kernel_size=(3, 3))(x))
        x = nn.avg_pool(x, window_shape=(2, 2), strides=(2, 2))
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(nn.Dense(64)(x))
        return nn.Dense(self.classes)(x)


model = DigitsCNN()
optimizer = optax.adam(1e-3)


def predict(params: Any, batch: Batch) -> Any:
    """Return the logits of a batch, one row for each image."""
    return model.apply({"params": params}, batch["image"])


def loss_fn(params: Any, batch: Batch) -> jax.Array:
    """Return the mean cross entropy of a batch."""
    return optax.softmax_cross_entropy_with_integer_labels(
        predict(params, batch), batch["label"]
    ).mean()


def load_splits() -> tuple[Batch, Batch, Batch]:
    """Return the train, eval and test images; the split never changes."""
    pixels, digits = load_digits(return_X_y=True)
    images = (pixels / 16.0).astype(np.float32).reshape(-1, 8, 8, 1)
    labels = digits.astype(np.int32)
    order = np.random.default_rng(0).permutation(len(labels))
    train, evaluate, test, _ = np.split(
        order, np.cumsum([TRAIN_SIZE, EVAL_SIZE, TEST_SIZE])
    )

    def take(rows: np.ndarray) -> Batch:
        return {"image": images[rows], "label": labels[rows]}

    return take(train), take(evaluate), take(test)


def in_batches(data: Batch) -> list[Batch]:
    """Cut a split into batches of 64, in its order."""
    starts = range(0, len(data["label"]), BATCH_SIZE)
    return [{k: v[s : s + BATCH_SIZE] for k, v in data.items()} for s in starts]


def load_batches(seed: int) -> tuple[list[Batch], list[Batch], list[Batch]]:
    """Return the three splits in batches, the training images in random order."""
    train, evaluate, test = load_splits()
    order = np.random.default_rng(seed).permutation(TRAIN_SIZE)
    train = {name: array[order] for name, array in train.items()}
    return in_batches(train), in_batches(evaluate), in_batches(test)


def make_workload(seed: int = 0) -> jd.Workload:
    """Describe the training to jaxdebug.

    Args:
        seed: chooses the initial parameters and the order of the training images.

    Returns:
        The workload, with one epoch of training batches.
    """
    train, evaluate, test = load_batches(seed)
    params = jax.jit(model.init)(jax.random.key(seed), train[0]["image"])["params"]
    return jd.Workload(
        loss_fn=loss_fn,
        params=params,
        train=train,
        eval=evaluate,
        test=test,
        optimizer=optimizer,
        predict_fn=predict,
        inputs="image",
        targets="label",
        name="digits-cnn",
    )


workload = make_workload()


def accuracy(params: Any, batches: list[Batch]) -> float:
    """Return the share of images whose largest logit is the label's."""
    logits = jax.jit(predict)
    hits = [np.argmax(logits(params, b), -1) == b["label"] for b in batches]
    return float(np.mean(hits))


def main(epochs: int = 15) -> None:
    """Train for 20 steps an epoch, then print the audit at initialisation."""
    train, evaluate, test = load_batches(seed=0)
    params, opt_state = workload.params, optimizer.init(workload.params)

    @jax.jit
    def train_step(params: Any, opt_state: Any, batch: Batch) -> tuple:
        loss, grads = jax.value_and_grad(loss_fn)(params, batch)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss

    for epoch in range(epochs):
        losses = []
        for batch in train:
            params, opt_state, loss = train_step(params, opt_state, batch)
            losses.append(loss)
        print(
            f"epoch {epoch + 1:2d}  loss {np.mean(losses):.4f}"
            f"  eval accuracy {accuracy(params, evaluate):.3f}"
        )
    print(f"test accuracy {accuracy(params, test):.3f}")
    audit = jd.audit(loss_fn, optimizer=optimizer)
    print(audit(workload.params, train[0]))


if __name__ == "__main__":
    main()
