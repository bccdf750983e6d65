"""A small NNX network with batch normalisation on scikit-learn's handwritten digits.

Run `python -m examples.digits_nnx` to train it and audit it, or audit it alone with
`jaxdebug audit examples/digits_nnx.py`. The model itself is handed to jaxdebug, which
works on a copy: running averages and random streams stay as they are.
"""

import jax
import numpy as np
import optax
from flax import nnx
from sklearn.datasets import load_digits

import jaxdebug as jd

BATCH_SIZE = 64
Batch = dict[str, np.ndarray]


class DigitsNet(nnx.Module):
    """Two convolutions with batch normalisation, dropout and a dense layer."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.convs = nnx.List(
            [
                nnx.Conv(1, 16, kernel_size=(3, 3), strides=2, rngs=rngs),
                nnx.Conv(16, 32, kernel_size=(3, 3), strides=2, rngs=rngs),
            ]
        )
        self.norms = nnx.List([nnx.BatchNorm(size, rngs=rngs) for size in (16, 32)])
        self.dropout = nnx.Dropout(0.1, rngs=rngs)
        self.out = nnx.Linear(2 * 2 * 32, 10, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        x = images
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = nnx.relu(norm(conv(x)))
        return self.out(self.dropout(x.reshape(x.shape[0], -1)))


def loss_fn(model: DigitsNet, batch: Batch) -> jax.Array:
    """Return the mean cross entropy of a batch."""
    return optax.softmax_cross_entropy_with_integer_labels(
        model(batch["image"]), batch["label"]
    ).mean()


def load_batches() -> tuple[list[Batch], Batch]:
    """Return 22 training batches and the rest as one batch to test on."""
    pixels, digits = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(digits))
    images = (pixels / 16.0).astype(np.float32).reshape(-1, 8, 8, 1)[order]
    labels = digits.astype(np.int32)[order]
    parts = [
        {"image": images[s : s + BATCH_SIZE], "label": labels[s : s + BATCH_SIZE]}
        for s in range(0, 22 * BATCH_SIZE, BATCH_SIZE)
    ]
    return parts, {
        "image": images[22 * BATCH_SIZE :],
        "label": labels[22 * BATCH_SIZE :],
    }


def make_workload(seed: int = 0) -> jd.Workload:
    """Describe the training to jaxdebug.

    Args:
        seed: chooses the initial parameters and the random stream of the dropout.

    Returns:
        The workload, with one epoch of training batches.
    """
    train, test = load_batches()
    return jd.Workload(
        loss_fn=loss_fn,
        params=DigitsNet(nnx.Rngs(seed)),
        train=train,
        test=[test],
        optimizer=optax.adam(3e-3),
        inputs="image",
        targets="label",
        name="digits-nnx",
    )


workload = make_workload()


@nnx.jit
def train_step(model: DigitsNet, optimizer: nnx.Optimizer, batch: Batch) -> jax.Array:
    """Change the model in place by one step; return the loss before it."""
    loss, grads = nnx.value_and_grad(loss_fn)(model, batch)
    optimizer.update(model, grads)
    return loss


def accuracy(model: DigitsNet, batch: Batch) -> float:
    """Return the share of images whose largest logit is the label's."""
    predicted = np.argmax(
        nnx.view(model, deterministic=True, use_running_average=True)(batch["image"]),
        -1,
    )
    return float(np.mean(predicted == batch["label"]))


def main(epochs: int = 5) -> None:
    """Print the audit at initialisation, then train and print the accuracy."""
    model = workload.params
    train, test = load_batches()
    print(jd.audit(loss_fn, optimizer=workload.optimizer)(model, train[0]))
    optimizer = nnx.Optimizer(model, workload.optimizer, wrt=nnx.Param)
    # The same step, which also says what each layer did; it too changes the model.
    _, statistics = nnx.jit(jd.probe(train_step))(model, optimizer, train[0])
    update = statistics.summary("out/kernel", kind="update")
    print(f"largest change of out/kernel in the first step: {update['max']:.2g}")
    for epoch in range(epochs):
        losses = [train_step(model, optimizer, batch) for batch in train]
        print(f"epoch {epoch + 1}  loss {np.mean(losses):.4f}")
    print(f"test accuracy {accuracy(model, test):.3f}")


if __name__ == "__main__":
    main()
