"""Small trainings on real data in which nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from sklearn.datasets import load_diabetes, load_digits

import jaxdebug as jd

Batches = Sequence[tuple[np.ndarray, np.ndarray]]


class MLP(nn.Module):
    """Two hidden layers."""

    outputs: int
    activation: Callable[[Any], Any] = nn.relu
    width: int = 32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = x.reshape(x.shape[0], -1)
        for _ in range(2):
            x = self.activation(nn.Dense(self.width)(x))
        return nn.Dense(self.outputs)(x)


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Of each example."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def digits(seed: int) -> tuple[Batches, Batches]:
    """Batches of 32 digits, and of others."""
    pixels, labels = load_digits(return_X_y=True)
    images = (pixels / 16).astype(np.float32).reshape(-1, 8, 8, 1)
    return cut((images, labels.astype(np.int32)), seed, 32)


def rows_of_pixels(seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The same digits, each a row, without labels."""
    train, other = digits(seed)
    return [x.reshape(len(x), -1) for x, _ in train], [
        x.reshape(len(x), -1) for x, _ in other
    ]


def diabetes(seed: int, scaled: bool = True) -> tuple[Batches, Batches]:
    """Batches of 16 patients, and of others."""
    loaded: Any = load_diabetes(return_X_y=True)
    features, targets = loaded
    features = (features / features.std(0)).astype(np.float32)
    if scaled:
        targets = (targets - targets.mean()) / targets.std()
    return cut((features, targets.astype(np.float32)[:, None]), seed, 16)


def cut(arrays: Any, seed: int, size: int) -> tuple[list[Any], list[Any]]:
    """Batches of so many examples, drawn without repetition, and of others.

    Args:
        arrays: a tree of arrays with a row for each example.
        seed: of the order.
        size: of a batch.
    """
    order = np.random.default_rng(seed).permutation(len(jax.tree.leaves(arrays)[0]))
    parts = [order[at : at + size] for at in range(0, len(order) - size + 1, size)]
    every = [jax.tree.map(itemgetter(part), arrays) for part in parts]
    kept = len(every) * 3 // 4
    return every[:kept], every[kept:]


def taught(
    loss_fn: Callable[..., Any], params: Any, optimizer: Any, batches: Sequence[Any]
) -> Any:
    """The parameters after a step on each of the batches."""

    @jax.jit
    def step(params: Any, state: Any, batch: Any) -> Any:
        gradients = jax.grad(loss_fn)(params, batch)
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    state = optimizer.init(params)
    for batch in batches:
        params, state = step(params, state, batch)
    return params


def training(
    model: nn.Module,
    splits: tuple[Batches, Batches],
    seed: int,
    each: Callable[..., Any] = cross_entropy,
    after: Callable[[Any], Any] = lambda outputs: outputs,
    reduce: Callable[[Any], Any] = jnp.mean,
    optimizer: Any = None,
    change: Callable[[Any], Any] = lambda params: params,
    **fields: Any,
) -> jd.Workload:
    """A workload of a model.

    Args:
        model: of the inputs.
        splits: batches to train on, and others.
        seed: of the parameters.
        each: the loss of each example, of outputs and targets.
        after: what is done to the outputs.
        reduce: what makes one number of the losses.
        optimizer: Adam if None.
        change: of the parameters at the start.
        fields: of the workload besides.
    """
    params = model.init(jax.random.key(seed), splits[0][0][0])["params"]

    def predict(params: Any, batch: Any) -> Any:
        return after(model.apply({"params": params}, batch[0]))

    def loss(params: Any, batch: Any) -> jax.Array:
        return reduce(each(predict(params, batch), batch[1]))

    return jd.Workload(
        loss_fn=loss,
        params=change(params),
        train=splits[0],
        eval=splits[1],
        predict_fn=predict,
        optimizer=optax.adam(3e-3) if optimizer is None else optimizer,
        **fields,
    )


def classifier(seed: int, **changed: Any) -> jd.Workload:
    """An MLP on digits."""
    activation = changed.pop("activation", nn.relu)
    return training(MLP(10, activation), digits(seed), seed, **changed)


def regressor(seed: int, scaled: bool = True, **changed: Any) -> jd.Workload:
    """An MLP on diabetes."""
    each = changed.pop("each", optax.squared_error)
    seen = changed.pop("seen", lambda x, y: (x, y))
    train, other = diabetes(seed, scaled)
    splits = [seen(*one) for one in train], [seen(*one) for one in other]
    return training(MLP(1, nn.tanh), splits, seed, each=each, **changed)


def stepping(
    seed: int, apply: bool = True, given: bool = True, **changed: Any
) -> jd.Workload:
    """A classifier with its own train step.

    Args:
        seed: of it.
        apply: whether the step applies its updates.
        given: whether the optimiser is given the parameters.
        changed: arguments of `classifier`.
    """
    workload = classifier(seed, **changed)
    optimizer = workload.optimizer

    @jax.jit
    def train_step(state: Any, batch: Any) -> Any:
        params, opt_state = state
        loss, gradients = jax.value_and_grad(workload.loss_fn)(params, batch)
        known = (params,) if given else ()
        updates, opt_state = optimizer.update(gradients, opt_state, *known)
        new = optax.apply_updates(params, updates)
        return (new if apply else params, opt_state), {"loss": loss}

    state = (workload.params, optimizer.init(workload.params))
    return replace(workload, train_step=train_step, state=state)


def frozen(seed: int, head: str = "trained", body: str = "frozen") -> jd.Workload:
    """A classifier of which the first layer is meant to stand still.

    Args:
        seed: of it.
        head: what the optimiser does with the other layers.
        body: what it does with the first.
    """
    parts: Any = {"trained": optax.adam(3e-3), "frozen": optax.set_to_zero()}

    def labels(params: Any) -> Any:
        return {name: body if name == "Dense_0" else head for name in params}

    return stepping(
        seed,
        optimizer=optax.multi_transform(parts, labels),
        declare=("frozen:Dense_0/*",),
    )


def decayed(seed: int, coefficient: float) -> jd.Workload:
    """A classifier with a sum of squared weights in its loss."""
    workload = classifier(seed)

    def loss(params: Any, batch: Any) -> jax.Array:
        squares = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))
        return workload.loss_fn(params, batch) + coefficient * squares

    return replace(workload, loss_fn=loss)
