"""A loss whose own derivative rule forgets the temperature, and what names it.

Run `python -m examples.wrong_rule`. It checks the loss of a linear classifier on
scikit-learn's handwritten digits, with the rule as it was written and as it should be,
and then the wrong one digit by digit.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits

import jaxdebug as jd

TEMPERATURE = 2.0
Loss = Callable[[jax.Array, jax.Array], jax.Array]


def _mean_nll(logits: jax.Array, labels: jax.Array) -> jax.Array:
    logs = jax.nn.log_softmax(logits / TEMPERATURE)
    return -jnp.mean(jnp.take_along_axis(logs, labels[:, None], 1))


def _residual(logits: jax.Array, labels: jax.Array) -> jax.Array:
    predicted = jax.nn.softmax(logits / TEMPERATURE)
    return (predicted - jax.nn.one_hot(labels, 10)) / len(labels)


@jax.custom_vjp
def forgetful(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Cross entropy at a temperature, whose rule does not divide by it."""
    return _mean_nll(logits, labels)


@jax.custom_vjp
def correct(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """The same with its derivative."""
    return _mean_nll(logits, labels)


def _forward(logits: jax.Array, labels: jax.Array) -> tuple[jax.Array, tuple]:
    return _mean_nll(logits, labels), (logits, labels)


def _forgetful_bwd(saved: tuple, cotangent: jax.Array) -> tuple:
    return cotangent * _residual(*saved), None


def _correct_bwd(saved: tuple, cotangent: jax.Array) -> tuple:
    return cotangent * _residual(*saved) / TEMPERATURE, None


forgetful.defvjp(_forward, _forgetful_bwd)
correct.defvjp(_forward, _correct_bwd)


def classifier(loss: Loss) -> Callable[..., jax.Array]:
    """The loss of a linear classifier."""

    def loss_fn(
        params: dict[str, jax.Array], images: jax.Array, labels: jax.Array
    ) -> jax.Array:
        return loss(images @ params["kernel"] + params["bias"], labels)

    return loss_fn


def main() -> None:
    """Check both rules on one batch, and the wrong one digit by digit."""
    images, labels = load_digits(return_X_y=True)
    images, labels = np.float32(images[:64] / 16), np.int32(labels[:64])
    kernel = 0.1 * jax.random.normal(jax.random.key(0), (64, 10))
    params = {"kernel": kernel, "bias": jnp.zeros(10)}
    print(jd.check_gradients(classifier(forgetful))(params, images, labels))
    print(jd.check_gradients(classifier(correct))(params, images, labels))
    each = jd.check_gradients(classifier(forgetful), over="examples")
    print(each(params, images, labels))


if __name__ == "__main__":
    main()
