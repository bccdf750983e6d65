"""What a program of the zoo consists of."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
import optax


class ZooProgram(NamedTuple):
    """A training as somebody would write it, at toy size.

    Attributes:
        name: its name in the registry.
        loss_fn: `loss_fn(params, batch, *extra)` gives a loss, or `(loss, aux)`.
        params: the parameters that `loss_fn` is differentiated by.
        batch: one batch.
        extra: further arguments of the loss: batch statistics, keys, targets.
        has_aux: whether the loss comes with auxiliary output.
        train_step: `train_step(state, batch)` gives `(state, metrics)`.
        state: the state before the first step, never shared with `params` where the
            step donates it.
    """

    name: str
    loss_fn: Callable[..., Any]
    params: Any
    batch: Any
    extra: tuple[Any, ...]
    has_aux: bool
    train_step: Callable[[Any, Any], tuple[Any, Any]]
    state: Any


def initialised(init: Callable[..., Any], *args: Any) -> Any:
    """Return what `init(*args)` would, with other values.

    Compiling the initialisers takes longer than compiling the programs. Values come
    from NumPy instead: vectors are positive, since among them are scales and
    variances, the rest has both signs.
    """
    rng = np.random.default_rng(0)

    def draw(leaf: Any) -> Any:
        if not isinstance(leaf, jax.ShapeDtypeStruct):
            return leaf
        low = -0.5 if len(leaf.shape) > 1 else 0.1
        return jax.device_put(rng.uniform(low, 0.5, leaf.shape).astype(leaf.dtype))

    return jax.tree.map(draw, eqx.filter_eval_shape(init, *args))


def trained_plainly(
    name: str,
    loss_fn: Callable[..., jax.Array],
    params: Any,
    batch: Any,
    optimizer: optax.GradientTransformation,
    extra: tuple[Any, ...] = (),
) -> ZooProgram:
    """Complete a program with the train step of every tutorial."""

    @jax.jit
    def train_step(state: Any, batch: Any) -> tuple[Any, Any]:
        params, opt_state = state
        loss, grads = jax.value_and_grad(loss_fn)(params, batch, *extra)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), {"loss": loss}

    state = (params, optimizer.init(params))
    return ZooProgram(name, loss_fn, params, batch, extra, False, train_step, state)
