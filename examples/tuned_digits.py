"""Learning rates, seeds and a penalty of a small network, trained side by side.

Run `python -m examples.tuned_digits`: it suggests a learning rate, compares some over
four seeds, and says what label smoothing and a penalty of the weights are worth.
"""

from typing import Any

import jax
import numpy as np
import optax
from flax import linen as nn
from sklearn.datasets import load_digits

import jaxdebug as jd
from jaxdebug import tuning

BATCH_SIZE = 64
Batch = tuple[np.ndarray, np.ndarray]


class DigitsMLP(nn.Module):
    """One hidden layer of 32 units."""

    @nn.compact
    def __call__(self, pixels: jax.Array) -> jax.Array:
        return nn.Dense(10)(nn.relu(nn.Dense(32)(pixels)))


model = DigitsMLP()


def load_batches() -> tuple[list[Batch], list[Batch]]:
    """Return 20 training batches of 64, and 8 to evaluate on."""
    pixels, digits = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(digits))
    x, y = (pixels / 16).astype(np.float32)[order], digits.astype(np.int32)[order]
    starts = range(0, 28 * BATCH_SIZE, BATCH_SIZE)
    batches = [(x[s : s + BATCH_SIZE], y[s : s + BATCH_SIZE]) for s in starts]
    return batches[:20], batches[20:]


def loss_fn(
    params: Any, batch: Batch, penalty: float = 0.0, smoothing: float = 0.0
) -> jax.Array:
    """Return the mean cross entropy of smoothed labels, and a penalty of weights."""
    pixels, digits = batch
    logits: Any = model.apply(params, pixels)
    labels = optax.smooth_labels(jax.nn.one_hot(digits, 10), smoothing)
    weights = optax.tree.norm(params, squared=True)
    return optax.softmax_cross_entropy(logits, labels).mean() + penalty * weights


def init(key: jax.Array) -> Any:
    """Return the parameters of a seed."""
    return model.init(key, np.zeros((1, 64), np.float32))


train, evaluation = load_batches()
workload = jd.Workload(
    loss_fn=loss_fn,
    params=init(jax.random.key(0)),
    train=train,
    eval=evaluation,
    optimizer=optax.adam(1e-3),
    name="digits-mlp",
)


def main() -> None:
    """Print a suggested rate, a comparison of rates, and what two parts are worth."""
    suggested = tuning.range_test(workload, optimizer=optax.adam)
    print(suggested)
    rates = np.geomspace(1e-4, 0.3, 8)
    swept = tuning.sweep(
        workload, {"learning_rate": rates}, seeds=4, optimizer=optax.adam, init=init
    )
    print(swept)
    rate = swept.best["learning_rate"]
    print(
        tuning.ablate(
            workload,
            {"penalty": 1e-3, "smoothing": 0.1},
            loss_fn=loss_fn,
            optimizer=lambda: optax.adam(rate),
            init=init,
        )
    )


if __name__ == "__main__":
    main()
