"""Train steps whose loss is the point, in the manner of public examples."""

from __future__ import annotations

from functools import partial
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jax.example_libraries import optimizers
from jax.scipy.linalg import cho_solve, cholesky

from tests.steps.fill import cross_entropy, fill
from tests.steps.train_step import LABELS, TrainStep, X, Y, mse, parameters, predict

_KEY = jax.random.PRNGKey(0)


def _trained(loss: Any, params: Any, optimizer: Any, *batch: Any) -> TrainStep:
    """The loop body of nearly every example, under jit."""

    @jax.jit
    def step(params: Any, state: Any, *batch: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params, *batch)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state, value

    return TrainStep(
        step,
        (params, optimizer.init(params), *batch),
        lambda params, state, *batch: jax.grad(loss)(params, *batch),
    )


def mixture_of_experts() -> TrainStep:
    """Experts by vmap, each row to one of them, and a loss that spreads the rows."""
    rng = np.random.default_rng(0)
    shapes = {"router": (3, 2), "up": (2, 3, 4), "down": (2, 4, 3), "last": (3, 3)}
    params = {
        name: rng.normal(size=shape).astype(np.float32)
        for name, shape in shapes.items()
    }

    def loss(params: Any, x: Any, y: Any) -> Any:
        share = jax.nn.softmax(x @ params["router"])
        sent = jax.nn.one_hot(jnp.argmax(share, -1), 2)
        made = jax.vmap(lambda up, down: jax.nn.gelu(x @ up) @ down)(
            params["up"], params["down"]
        )
        mixed = jnp.einsum("enh,ne->nh", made, sent * share)
        spread = 2 * jnp.sum(sent.mean(0) * share.mean(0))
        return jnp.mean((mixed @ params["last"] - y) ** 2) + 0.01 * spread

    return _trained(loss, params, optax.lion(1e-2), X, Y)


class _Encoder(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.BatchNorm(use_running_average=False)(nn.Dense(4)(x))
        return nn.Dense(3)(nn.relu(x))


def contrast_of_two_views() -> TrainStep:
    """SimCLR: one encoder is called twice and carries its statistics on; LARS."""
    model = _Encoder()
    variables = fill(jax.eval_shape(model.init, _KEY, X))
    optimizer = optax.lars(0.1, weight_decay=1e-3)

    def loss(params: Any, statistics: Any, one: Any, other: Any) -> Any:
        seen = []
        for view in (one, other):
            variables = {"params": params, "batch_stats": statistics}
            out, new = model.apply(variables, view, mutable=["batch_stats"])
            statistics = new["batch_stats"]
            seen.append(out / jnp.linalg.norm(out, axis=-1, keepdims=True))
        return cross_entropy(2 * seen[0] @ seen[1].T, jnp.arange(4)), statistics

    @jax.jit
    def step(params: Any, statistics: Any, state: Any, *views: Any) -> Any:
        grads, statistics = jax.grad(loss, has_aux=True)(params, statistics, *views)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), statistics, state

    params, statistics = variables["params"], variables["batch_stats"]
    return TrainStep(
        step,
        (params, statistics, optimizer.init(params), X, Y),
        lambda params, statistics, state, *views: jax.grad(loss, has_aux=True)(
            params, statistics, *views
        )[0],
    )


def taught_uphill() -> TrainStep:
    """SAM and a teacher: the gradient is taken at a point uphill of the student."""
    optimizer = optax.sgd(0.1, momentum=0.9)

    def loss(params: Any, teacher: Any, x: Any, labels: Any) -> Any:
        student = predict(params, x)
        taught = jax.lax.stop_gradient(jax.nn.softmax(predict(teacher, x) / 2))
        distilled = -(taught * jax.nn.log_softmax(student / 2)).sum(-1).mean()
        return 4 * distilled + 0.3 * cross_entropy(student, labels)

    def gradient(params: Any, state: Any, *rest: Any) -> Any:
        grads = jax.grad(loss)(params, *rest)
        norm = optax.tree.norm(grads)
        uphill = jax.tree.map(lambda p, g: p + 0.05 * g / (norm + 1e-9), params, grads)
        return jax.grad(loss)(uphill, *rest)

    @jax.jit
    def step(params: Any, state: Any, *rest: Any) -> Any:
        updates, state = optimizer.update(gradient(params, state, *rest), state)
        return optax.apply_updates(params, updates), state

    params = parameters()
    args = (params, optimizer.init(params), parameters(1), X, LABELS)
    return TrainStep(step, args, gradient)


def private_examples() -> TrainStep:
    """DP-SGD: each example's gradient is clipped before noise is added to the sum."""
    init, update, get_params = optimizers.sgd(0.1)

    def clipped(params: Any, x: Any, y: Any) -> Any:
        grads = jax.grad(mse)(params, x[None], y[None])
        norm = optax.tree.norm(grads)
        return jax.tree.map(lambda g: g / jnp.maximum(norm, 1.0), grads)

    @jax.jit
    def step(i: Any, state: Any, key: Any, x: Any, y: Any) -> Any:
        params = get_params(state)
        grads = jax.vmap(clipped, in_axes=(None, 0, 0))(params, x, y)
        keys = iter(jax.random.split(jax.random.fold_in(key, i), 5))
        noisy = jax.tree.map(
            lambda g: (g.sum(0) + 0.1 * jax.random.normal(next(keys), g.shape[1:])) / 4,
            grads,
        )
        return update(i, noisy, state)

    return TrainStep(
        step,
        (0, init(parameters()), _KEY, X, Y),
        lambda i, state, key, x, y: jax.grad(mse)(get_params(state), x, y),
        old=lambda args: get_params(args[1]),
        new=get_params,
        unidentified={"1/0/": "each example has a gradient of its own"},
    )


def gaussian_process() -> TrainStep:
    """Evidence by a Cholesky factor; the parameters move by momentum, by hand."""

    def loss(params: Any, x: Any, y: Any) -> Any:
        scaled = {name: jax.nn.softplus(value) for name, value in params.items()}
        gaps = (x[:, None] - x[None]) / scaled["length"]
        kernel = scaled["size"] * jnp.exp(-jnp.sum(gaps**2, -1))
        factor = cholesky(kernel + (scaled["noise"] + 1e-3) * jnp.eye(4), lower=True)
        fit = y @ cho_solve((factor, True), y)
        return 0.5 * fit + jnp.sum(jnp.log(jnp.diag(factor)))

    def step(params: Any, speed: Any, x: Any, y: Any) -> Any:
        grads = jax.jit(jax.grad(loss))(params, x, y)
        speed = {name: 0.9 * speed[name] + 0.1 * grads[name] for name in speed}
        return {name: params[name] - 0.1 * speed[name] for name in params}, speed

    params = {"length": np.float32(0.1), "size": np.float32(0.5), "noise": np.ones(1)}
    params = jax.tree.map(lambda p: np.asarray(p, np.float32), params)
    speed = jax.tree.map(np.zeros_like, params)
    return TrainStep(
        step,
        (params, speed, X, Y[:, 0]),
        lambda params, speed, x, y: jax.grad(loss)(params, x, y),
    )


def sampled_posterior() -> TrainStep:
    """Variational inference: the evidence is a mean over samples, the key a count."""
    init, update, get_params = optimizers.momentum(0.1, mass=0.9)

    def evidence(params: Any, key: Any) -> Any:
        mean, log_std = params
        sample = mean + jnp.exp(log_std) * jax.random.normal(key, mean.shape)
        spread = jnp.exp(-sample[1])
        return -0.5 * (sample[0] * spread) ** 2 - 0.5 * sample[1] ** 2 + log_std.sum()

    def loss(params: Any, i: Any) -> Any:
        keys = jax.random.split(jax.random.PRNGKey(i), 6)
        return -jnp.mean(jax.vmap(partial(evidence, params))(keys))

    @jax.jit
    def step(i: Any, state: Any) -> Any:
        return update(i, jax.grad(loss)(get_params(state), i), state)

    start = (np.zeros(2, np.float32), np.full(2, 0.1, np.float32))
    return TrainStep(
        step,
        (1, init(start)),
        lambda i, state: jax.grad(loss)(get_params(state), i),
        old=lambda args: get_params(args[1]),
        new=get_params,
    )


def updater_with_a_dropout_key() -> TrainStep:
    """A method of an object that is static; the state holds key, count and all."""

    def forward(words: Any) -> Any:
        x = hk.Embed(7, 4)(words) + hk.get_parameter("places", [5, 4], init=jnp.ones)
        mask = np.tril(np.ones((1, 1, 5, 5)))
        h = hk.LayerNorm(-1, True, True)(x)
        attention = hk.MultiHeadAttention(
            2, 4, model_size=4, w_init=hk.initializers.VarianceScaling()
        )
        x = x + hk.dropout(hk.next_rng_key(), 0.1, attention(h, h, h, mask=mask))
        return hk.Linear(7)(x)

    model = hk.transform(forward)
    words = np.random.default_rng(0).integers(0, 7, (3, 5))

    def loss(params: Any, key: Any, words: Any) -> Any:
        return cross_entropy(model.apply(params, key, words)[:, :-1], words[:, 1:])

    class Updater:
        optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-2))

        @partial(jax.jit, static_argnums=0)
        def update(self, state: Any, words: Any) -> Any:
            key, new_key = jax.random.split(state["key"])
            value, grads = jax.value_and_grad(loss)(state["params"], key, words)
            updates, opt_state = self.optimizer.update(grads, state["opt"])
            params = optax.apply_updates(state["params"], updates)
            count = state["count"] + 1
            new = {"params": params, "opt": opt_state, "key": new_key, "count": count}
            return new, {"loss": value}

    params = fill(jax.eval_shape(model.init, _KEY, words))
    opt_state = Updater.optimizer.init(params)
    state = {"params": params, "opt": opt_state, "key": _KEY, "count": jnp.array(0)}
    return TrainStep(
        Updater().update,
        (state, words),
        lambda state, words: jax.jit(jax.grad(loss))(
            state["params"], jax.random.split(state["key"])[0], words
        ),
        old=lambda args: args[0]["params"],
        new=lambda out: out[0]["params"],
    )


OBJECTIVE_STEPS = {
    step.__name__: step
    for step in (
        mixture_of_experts,
        contrast_of_two_views,
        taught_uphill,
        private_examples,
        gaussian_process,
        sampled_posterior,
        updater_with_a_dropout_key,
    )
}
