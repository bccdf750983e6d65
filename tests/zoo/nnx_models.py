"""Flax NNX models, split and merged inside a pure train step."""

import jax
import numpy as np
import optax
from flax import nnx

from tests.zoo.program import ZooProgram

X = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
Y = np.arange(4, dtype=np.int32) % 3


def _cross_entropy(logits, labels):
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return losses.mean()


class MLP(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.hidden = nnx.Linear(6, 8, rngs=rngs)
        self.out = nnx.Linear(8, 3, rngs=rngs)

    def __call__(self, x):
        return self.out(nnx.relu(self.hidden(x)))


def nnx_mlp() -> ZooProgram:
    """An `nnx.Optimizer` merged, used and split again inside the step."""
    model = MLP(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adamw(1e-2), wrt=nnx.Param)
    graphdef, state = nnx.split((model, optimizer))
    model_def, params = nnx.split(model)

    def loss_fn(params, batch):
        return _cross_entropy(nnx.merge(model_def, params)(batch["x"]), batch["y"])

    @jax.jit
    def train_step(state, batch):
        model, optimizer = nnx.merge(graphdef, state)
        loss, grads = nnx.value_and_grad(
            lambda model: _cross_entropy(model(batch["x"]), batch["y"])
        )(model)
        optimizer.update(model, grads)
        return nnx.state((model, optimizer)), {"loss": loss}

    batch = {"x": X, "y": Y}
    return ZooProgram("nnx_mlp", loss_fn, params, batch, (), False, train_step, state)


class NoisyNet(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.conv = nnx.Conv(1, 4, (3,), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.2, rngs=rngs)
        self.out = nnx.Linear(24, 3, rngs=rngs)

    def __call__(self, x):
        x = nnx.silu(self.norm(self.conv(x[..., None])))
        return self.out(self.dropout(x.reshape(x.shape[0], -1)))


def nnx_batch_norm_dropout() -> ZooProgram:
    """Batch statistics and dropout counters carried beside the parameters."""
    graphdef, params, rest = nnx.split(NoisyNet(nnx.Rngs(0)), nnx.Param, ...)
    tx = optax.adam(1e-2)

    def loss_fn(params, batch, rest):
        model = nnx.merge(graphdef, params, rest, copy=True)
        loss = _cross_entropy(model(batch["x"]), batch["y"])
        return loss, nnx.state(model, nnx.Not(nnx.Param))

    @jax.jit
    def train_step(state, batch):
        params, rest, opt_state = state
        (loss, rest), grads = jax.value_and_grad(loss_fn, has_aux=True)(
            params, batch, rest
        )
        updates, opt_state = tx.update(grads, opt_state, params)
        params = optax.apply_updates(params, updates)
        return (params, rest, opt_state), {"loss": loss}

    return ZooProgram(
        name="nnx_batch_norm_dropout",
        loss_fn=loss_fn,
        params=params,
        batch={"x": X, "y": Y},
        extra=(rest,),
        has_aux=True,
        train_step=train_step,
        state=(params, rest, tx.init(params)),
    )


NNX_MODELS = {m.__name__: m for m in (nnx_mlp, nnx_batch_norm_dropout)}
