"""More train steps in the manner of public examples: states, adapters, solvers."""

from __future__ import annotations

from functools import partial
from typing import Any

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax.training.dynamic_scale import DynamicScale
from flax.training.train_state import TrainState
from jax import lax

from tests.steps.equinox_steps import batched_loss
from tests.steps.fill import cross_entropy, fill
from tests.steps.train_step import LABELS, TrainStep, X, Y, mse, parameters, predict


class Decoder(nn.Module):
    """A cell and a head, run over the words of the answer."""

    @nn.compact
    def __call__(self, state: Any, word: Any) -> Any:
        state, out = nn.GRUCell(3)(state, word)
        return state, nn.Dense(3)(out)


class Translator(nn.Module):
    """Encoder and decoder, each in a scan; the decoder is told the right words."""

    @nn.compact
    def __call__(self, source: Any, target: Any) -> Any:
        scan = partial(
            nn.scan, variable_broadcast="params", split_rngs={"params": False}
        )
        start = jnp.zeros((1, 3))
        state, _ = scan(nn.GRUCell)(3, name="encoder")(start, source[:, None])
        _, logits = scan(Decoder)(name="decoder")(state, target[:, None])
        return logits[:, 0]


def translator() -> TrainStep:
    model = Translator()
    shapes = jax.eval_shape(model.init, jax.random.key(0), X, Y)
    params = fill(shapes)["params"]
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-2))

    def loss_fn(params: Any, x: Any, y: Any, labels: Any) -> Any:
        logits = model.apply({"params": params}, x, y)
        return cross_entropy(logits, labels)

    @jax.jit
    def step(params: Any, state: Any, x: Any, y: Any, labels: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_fn)(params, x, y, labels)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), state, loss

    return TrainStep(
        step,
        (params, optimizer.init(params), X, Y, LABELS),
        lambda params, state, *batch: jax.grad(loss_fn)(params, *batch),
    )


def low_rank_adapters() -> TrainStep:
    """LoRA: the base is frozen, two thin matrices are trained for each layer."""
    optimizer = optax.adamw(1e-2)

    def loss_fn(adapters: Any, base: Any, x: Any, y: Any) -> Any:
        for name in ("w1", "w2"):
            low = adapters[name]
            x = jnp.tanh(x @ base[name] + 2.0 * (x @ low["a"]) @ low["b"])
        return jnp.mean((x - y) ** 2)

    @jax.jit
    def step(adapters: Any, base: Any, state: Any, x: Any, y: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_fn)(adapters, base, x, y)
        updates, state = optimizer.update(grads, state, adapters)
        return optax.apply_updates(adapters, updates), base, state, loss

    base = {name: parameters()[name] for name in ("w1", "w2")}
    adapters = {
        "w1": {"a": X[:3, :2], "b": X[:2]},
        "w2": {"a": Y[:3, :2], "b": Y[:2]},
    }
    return TrainStep(
        step,
        (adapters, base, optimizer.init(adapters), X, Y),
        lambda adapters, base, state, x, y: (
            jax.grad(loss_fn)(adapters, base, x, y),
            jax.tree.map(jnp.zeros_like, base),
        ),
        old=lambda args: args[:2],
        new=lambda out: out[:2],
        unidentified=dict.fromkeys(("1/w1", "1/w2"), "its new value is its old one"),
    )


class Normalised(eqx.Module):
    """Two layers with a batch norm between them."""

    first: eqx.nn.Linear
    norm: eqx.nn.BatchNorm
    last: eqx.nn.Linear

    def __init__(self, key: Any) -> None:
        self.first = eqx.nn.Linear(3, 3, key=key)
        self.norm = eqx.nn.BatchNorm(3, axis_name="batch", mode="batch")
        self.last = eqx.nn.Linear(3, 3, key=key)

    def __call__(self, x: Any, state: Any) -> Any:
        x, state = self.norm(self.first(x), state)
        return self.last(jax.nn.relu(x)), state


def equinox_batch_norm() -> TrainStep:
    """The state comes out of the loss as what it returns besides."""
    model, state = eqx.nn.make_with_state(Normalised)(jax.random.key(0))
    params, static = eqx.partition(model, eqx.is_inexact_array)
    optimizer = optax.adam(1e-2)

    def loss_fn(params: Any, state: Any, x: Any, y: Any) -> Any:
        return batched_loss(eqx.combine(params, static), state, x, y)

    @eqx.filter_jit
    def step(params: Any, state: Any, opt: Any, x: Any, y: Any) -> Any:
        make = eqx.filter_value_and_grad(loss_fn, has_aux=True)
        (loss, state), grads = make(params, state, x, y)
        updates, opt = optimizer.update(grads, opt)
        return eqx.apply_updates(params, updates), state, opt, loss

    return TrainStep(
        step,
        (params, state, optimizer.init(params), X, Y),
        lambda params, state, opt, x, y: jax.grad(loss_fn, has_aux=True)(
            params, state, x, y
        )[0],
    )


def haiku_with_state() -> TrainStep:
    def forward(x: Any) -> Any:
        x = hk.BatchNorm(True, True, 0.9)(hk.Linear(3)(x), is_training=True)
        return hk.Linear(3)(jax.nn.relu(x))

    network = hk.without_apply_rng(hk.transform_with_state(forward))
    params, state = fill(jax.eval_shape(network.init, jax.random.key(0), X))
    optimizer = optax.sgd(0.1, momentum=0.9)

    def loss_fn(params: Any, state: Any, x: Any, y: Any) -> Any:
        logits, state = network.apply(params, state, x)
        return cross_entropy(logits, y), state

    @jax.jit
    def step(params: Any, state: Any, opt: Any, x: Any, y: Any) -> Any:
        make = jax.value_and_grad(loss_fn, has_aux=True)
        (loss, state), grads = make(params, state, x, y)
        updates, opt = optimizer.update(grads, opt)
        return optax.apply_updates(params, updates), state, opt, loss

    return TrainStep(
        step,
        (params, state, optimizer.init(params), X, LABELS),
        lambda params, state, opt, x, y: jax.grad(loss_fn, has_aux=True)(
            params, state, x, y
        )[0],
    )


def dynamic_scale() -> TrainStep:
    """Flax: the loss is scaled, and a step with infinite gradients is undone."""
    optimizer = optax.adam(1e-2)
    state = TrainState.create(apply_fn=predict, params=parameters(), tx=optimizer)
    scale = DynamicScale(scale=jnp.float32(8.0))

    def step(state: Any, scale: Any, x: Any, y: Any) -> Any:
        make = scale.value_and_grad(lambda params: mse(params, x, y))
        scale, is_finite, loss, grads = make(state.params)
        new = state.apply_gradients(grads=grads)
        keep = partial(jnp.where, is_finite)
        return (
            new.replace(
                params=jax.tree.map(keep, new.params, state.params),
                opt_state=jax.tree.map(keep, new.opt_state, state.opt_state),
            ),
            scale,
            loss,
        )

    return TrainStep(
        step,
        (state, scale, X, Y),
        lambda state, scale, x, y: jax.tree.map(
            lambda g: 8 * g, jax.grad(mse)(state.params, x, y)
        ),
        old=lambda args: args[0].params,
        new=lambda out: out[0].params,
    )


def line_search_with_memory() -> TrainStep:
    """L-BFGS: value and gradient are those that the last line search ended with."""
    optimizer = optax.lbfgs()

    @jax.jit
    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        def loss_fn(params: Any) -> Any:
            return mse(params, x, y)

        make = optax.value_and_grad_from_state(loss_fn)
        value, grads = make(params, state=state)
        updates, state = optimizer.update(
            grads, state, params, value=value, grad=grads, value_fn=loss_fn
        )
        return optax.apply_updates(params, updates), state

    params = jax.tree.map(jnp.asarray, parameters())
    return TrainStep(
        step,
        (params, optimizer.init(params), X, Y),
        lambda params, state, x, y: jax.grad(mse)(params, x, y),
    )


def equilibrium() -> TrainStep:
    """A layer that is its own fixed point, differentiated implicitly."""

    def cell(params: Any, x: Any, z: Any) -> Any:
        return jnp.tanh(0.3 * z @ params["w1"] + x @ params["w2"])

    @jax.custom_vjp
    def solve(params: Any, x: Any) -> Any:
        return lax.fori_loop(0, 8, lambda _, z: cell(params, x, z), jnp.zeros_like(x))

    def forward(params: Any, x: Any) -> Any:
        z = solve(params, x)
        return z, (params, x, z)

    def backward(saved: Any, out: Any) -> Any:
        params, x, z = saved
        _, by_z = jax.vjp(lambda z: cell(params, x, z), z)
        u = lax.fori_loop(0, 8, lambda _, u: out + by_z(u)[0], out)
        return jax.vjp(lambda params, x: cell(params, x, z), params, x)[1](u)

    solve.defvjp(forward, backward)

    def loss_fn(params: Any, x: Any, y: Any) -> Any:
        return jnp.mean((solve(params, x) + params["shift"] - y) ** 2)

    def step(params: Any, x: Any, y: Any) -> Any:
        grads = jax.grad(loss_fn)(params, x, y)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)

    params = {name: parameters()[name] for name in ("w1", "w2", "shift")}
    return TrainStep(step, (params, X, Y), jax.grad(loss_fn), new=lambda out: out)


ADAPTED_STEPS = {
    step.__name__: step
    for step in (
        translator,
        low_rank_adapters,
        equinox_batch_norm,
        haiku_with_state,
        dynamic_scale,
        line_search_with_memory,
        equilibrium,
    )
}
