"""The digits example with one fault planted in each; an audit must name it."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

import jaxdebug as jd
from examples import digits_cnn


@jax.custom_vjp
def soft_clip(x: jax.Array) -> jax.Array:
    """Squash to (-3, 3) smoothly."""
    return 3.0 * jnp.tanh(x / 3.0)


def _soft_clip_forward(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    y = soft_clip(x)
    return y, y


def _soft_clip_backward(y: jax.Array, cotangent: jax.Array) -> tuple[jax.Array]:
    # The planted fault: the derivative is 1 - (y / 3)**2.
    return (cotangent * (1.0 - y / 3.0),)


soft_clip.defvjp(_soft_clip_forward, _soft_clip_backward)


def wrong_custom_vjp() -> jd.Workload:
    """Clip the logits with a function whose own backward rule is wrong."""

    def loss_fn(params: Any, batch: Any) -> jax.Array:
        logits = soft_clip(digits_cnn.predict(params, batch))
        return optax.softmax_cross_entropy_with_integer_labels(
            logits, batch["label"]
        ).mean()

    return replace(digits_cnn.make_workload(), loss_fn=loss_fn)


class CutOffNetwork(nn.Module):
    """A two-layer network whose first layer never learns."""

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        x = images.reshape(images.shape[0], -1)
        x = nn.relu(nn.Dense(32, name="encoder")(x))
        # The planted fault: nothing before this line gets a gradient.
        x = jax.lax.stop_gradient(x)
        return nn.Dense(10, name="head")(x)


def cut_off_leaf() -> jd.Workload:
    """Stop the gradient between two layers."""
    model = CutOffNetwork()

    def loss_fn(params: Any, batch: Any) -> jax.Array:
        logits: Any = model.apply({"params": params}, batch["image"])
        return optax.softmax_cross_entropy_with_integer_labels(
            logits, batch["label"]
        ).mean()

    train, _, _ = digits_cnn.load_batches(seed=0)
    params = model.init(jax.random.key(0), train[0]["image"])["params"]
    whole = digits_cnn.make_workload()
    return replace(whole, loss_fn=loss_fn, params=params, predict_fn=None)


def nan_in_data() -> jd.Workload:
    """Spoil one pixel of one image of every batch."""
    train, _, _ = digits_cnn.load_batches(seed=0)

    def spoil(batch: Any) -> Any:
        image = np.array(batch["image"])
        image[5, 3, 4, 0] = np.nan
        return {**batch, "image": image}

    spoilt = [spoil(batch) for batch in train]
    return replace(digits_cnn.make_workload(), train=spoilt)
