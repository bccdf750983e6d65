"""Train steps of every make, tiny: each trains a state on batches, watched or not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from flax.training.train_state import TrainState
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from tests.training.recorder.trained import (
    Train,
    Trained,
    W,
    Wrap,
    X,
    Y,
    objective,
)


def plain(wrap: Wrap, data: Sequence[Any]) -> Trained:
    """Parameters alone, a dictionary of metrics."""

    @jax.jit
    def step(params: Any, x: Any) -> Any:
        loss, g = jax.value_and_grad(lambda p: objective(x @ p, x))(params)
        return params - 0.1 * g, {"loss": loss}

    params, step = jnp.asarray(W), wrap(step)
    for x in data:
        params, _ = step(params, x)
    return Trained(step, params)


def donated(wrap: Wrap, data: Sequence[Any]) -> Trained:
    """Buffers given away, and a key that is new at every step."""
    optimizer = optax.adam(1e-2)

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(params: Any, state: Any, x: Any, key: Any) -> Any:
        def loss(params: Any) -> Any:
            noise = 0.1 * jax.random.normal(key, (8, 3))
            return objective(x @ params + noise, x)

        value, g = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(g, state, params)
        return optax.apply_updates(params, updates), state, value

    params, key = jnp.array(W), jax.random.key(0)
    state, step = optimizer.init(params), wrap(step)
    for x in data:
        key, own = jax.random.split(key)
        params, state, _ = step(params, state, x, own)
    return Trained(step, params)


def train_state(wrap: Wrap, data: Sequence[Any]) -> Trained:
    """Flax's TrainState with gradients of two steps added up."""
    model = nn.Dense(3)

    @jax.jit
    def step(state: TrainState, x: Any) -> Any:
        def loss(params: Any) -> Any:
            return objective(state.apply_fn({"params": params}, x), x)

        value, g = jax.value_and_grad(loss)(state.params)
        return state.apply_gradients(grads=g), {"loss": value}

    params = model.init(jax.random.key(0), X)["params"]
    optimizer = optax.MultiSteps(optax.adam(1e-2), 2)
    state = TrainState.create(apply_fn=model.apply, params=params, tx=optimizer)
    step = wrap(step)
    for x in data:
        state, _ = step(state, x)
    return Trained(step, state.params)


def nnx_objects(wrap: Wrap, data: Sequence[Any]) -> Trained:
    """A model and an optimizer that are changed in place."""

    class Model(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.norm = nnx.BatchNorm(4, rngs=rngs)
            self.drop = nnx.Dropout(0.1, rngs=rngs)
            self.out = nnx.Linear(4, 3, rngs=rngs)

        def __call__(self, x: Any) -> Any:
            return self.out(self.drop(self.norm(x)))

    model = Model(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)

    @nnx.jit
    def step(model: Any, optimizer: Any, x: Any) -> Any:
        value, g = nnx.value_and_grad(lambda m: objective(m(x), x))(model)
        optimizer.update(model, g)
        return value

    step = wrap(step)
    for x in data:
        step(model, optimizer, x)
    return Trained(step, nnx.state(model, nnx.Param))


def equinox_module(wrap: Wrap, data: Sequence[Any]) -> Trained:
    """A module that is a pytree, in a filtered jit that donates."""
    model = eqx.nn.Linear(4, 3, key=jax.random.key(0))
    optimizer = optax.sgd(0.1)

    @eqx.filter_jit(donate="all-except-first")
    def step(x: Any, model: Any, state: Any) -> Any:
        def loss(model: Any) -> Any:
            return objective(jax.vmap(model)(x), x)

        value, g = eqx.filter_value_and_grad(loss)(model)
        updates, state = optimizer.update(g, state)
        return eqx.apply_updates(model, updates), state, value

    state, step = optimizer.init(eqx.filter(model, eqx.is_array)), wrap(step)
    for x in data:
        model, state, _ = step(x, model, state)
    return Trained(step, eqx.filter(model, eqx.is_array))


def two_optimizers(wrap: Wrap, data: Sequence[Any]) -> Trained:
    """Two players in turn: a function of Python around two that are compiled."""
    slow, fast = optax.adam(1e-3), optax.sgd(0.05)

    def score(judge: Any, maker: Any, x: Any) -> Any:
        return objective(jnp.tanh(x @ maker) @ judge, x)

    @partial(jax.jit, donate_argnums=(0, 1))
    def judge_step(judge: Any, state: Any, maker: Any, x: Any) -> Any:
        value, g = jax.value_and_grad(score)(judge, maker, x)
        updates, state = fast.update(g, state)
        return optax.apply_updates(judge, updates), state, value

    @partial(jax.jit, donate_argnums=(0, 1))
    def maker_step(maker: Any, state: Any, judge: Any, x: Any) -> Any:
        value, g = jax.value_and_grad(lambda m: -score(judge, m, x))(maker)
        updates, state = slow.update(g, state, maker)
        return optax.apply_updates(maker, updates), state, value

    def step(judge: Any, maker: Any, x: Any) -> Any:
        *judge, lost = judge_step(*judge, maker[0], x)
        *maker, won = maker_step(*maker, judge[0], x)
        return judge, maker, {"judge": lost, "maker": won}

    judge, maker = jnp.asarray(np.eye(3, dtype=np.float32)), jnp.array(W)
    players = [judge, fast.init(judge)], [maker, slow.init(maker)]
    step = wrap(step)
    for x in data:
        *players, _ = step(*players, x)
    return Trained(step, players)


def skipping(wrap: Wrap, data: Sequence[Any]) -> Trained:
    """Updates that are not finite are left out, and counted."""
    optimizer = optax.apply_if_finite(optax.adam(1e-2), 3)

    @jax.jit
    def step(state: Any, *, x: Any) -> Any:
        params, own = state["params"], state["optimizer"]
        loss, g = jax.value_and_grad(lambda p: objective(x @ p, x))(params)
        updates, own = optimizer.update(g, own, params)
        params = optax.apply_updates(params, updates)
        return {"params": params, "optimizer": own}, loss

    state: Any = {"params": jnp.asarray(W), "optimizer": optimizer.init(W)}
    step = wrap(step)
    for x in data:
        state, _ = step(state, x=x)
    return Trained(step, state)


def micro_steps(wrap: Wrap, data: Sequence[Any]) -> Trained:
    """One call takes several steps, one for each part of the batch."""
    optimizer = optax.adam(1e-2)

    @partial(jax.jit, static_argnames="parts", donate_argnames="state")
    def step(state: Any, x: Any, parts: int) -> Any:
        def one(state: Any, x: Any) -> Any:
            params, own = state
            labels = jnp.zeros(len(x), int)

            def loss(p: Any) -> Any:
                return objective(x @ p, x, labels)

            value, g = jax.value_and_grad(loss)(params)
            updates, own = optimizer.update(g, own, params)
            return (optax.apply_updates(params, updates), own), value

        state, losses = jax.lax.scan(one, state, x.reshape(parts, -1, x.shape[-1]))
        return state, {"loss": losses.mean()}

    params, step = jnp.array(W), wrap(step)
    state = params, optimizer.init(params)
    for x in data:
        state, _ = step(state, x, parts=4)
    return Trained(step, state)


def split_over_devices(wrap: Wrap, data: Sequence[Any]) -> Trained:
    """The state on a grid of eight devices, the batch split over its rows."""
    mesh = jax.make_mesh((2, 4), ("data", "model"), axis_types=(AxisType.Auto,) * 2)
    optimizer = optax.adam(1e-2)
    rows = NamedSharding(mesh, P("data"))

    @partial(jax.jit, donate_argnums=0)
    def step(state: Any, x: Any) -> Any:
        params, own = state
        loss, g = jax.value_and_grad(lambda p: objective(x @ p, x))(params)
        updates, own = optimizer.update(g, own, params)
        return (optax.apply_updates(params, updates), own), loss

    params = jax.device_put(W, NamedSharding(mesh, P("model")))
    state, step = (params, optimizer.init(params)), wrap(step)
    for x in data:
        state, _ = step(state, jax.device_put(x, rows))
    return Trained(step, state)


def shards(wrap: Wrap, data: Sequence[Any]) -> Trained:
    """Each device has its part of the batch, on a mesh that types speak of."""
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Explicit,))
    optimizer = optax.adam(1e-2)
    rows = NamedSharding(mesh, P("data"))

    @partial(jax.jit, donate_argnums=0)
    @partial(
        jax.shard_map, mesh=mesh, in_specs=(P(), rows.spec, rows.spec), out_specs=P()
    )
    def step(state: Any, x: Any, y: Any) -> Any:
        params, own = state

        def loss(p: Any) -> Any:
            return jax.lax.pmean(objective(x @ p, x, y), "data")

        value, g = jax.value_and_grad(loss)(params)
        updates, own = optimizer.update(g, own, params)
        return (optax.apply_updates(params, updates), own), value

    params = jax.device_put(W, NamedSharding(mesh, P()))
    state, step = (params, optimizer.init(params)), wrap(step)
    labels = jax.device_put(Y, rows)
    for x in data:
        state, _ = step(state, jax.device_put(x, rows), labels)
    return Trained(step, state)


DEVICES = {"split": 8, "shards": 8}
"""How many a step wants, if more than one."""

STEPS: dict[str, Train] = {
    "plain": plain,
    "donated": donated,
    "train state": train_state,
    "NNX": nnx_objects,
    "Equinox": equinox_module,
    "two optimizers": two_optimizers,
    "skipping": skipping,
    "micro-steps": micro_steps,
    "split": split_over_devices,
    "shards": shards,
}
