"""Train steps in the manner of public examples: agents, generators, adapters."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from tests.steps.train_step import TrainStep, X, Y, mse, parameters, predict

NOISE = np.random.default_rng(3).normal(size=X.shape).astype(np.float32)


def shuffled_epochs() -> TrainStep:
    """PPO: epochs over shuffled minibatches, one scan in another."""
    optimizer = optax.chain(optax.clip_by_global_norm(0.5), optax.adam(1e-2))

    def loss_fn(params: Any, batch: Any) -> Any:
        state, action, old_log_prob, advantage = batch
        mean = predict(params["actor"], state)
        log_prob = -0.5 * jnp.sum((action - mean) ** 2, -1)
        ratio = jnp.exp(log_prob - old_log_prob)
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-3)
        clipped = jnp.clip(ratio, 0.8, 1.2) * advantage
        actor = -jnp.mean(jnp.minimum(ratio * advantage, clipped))
        value = predict(params["critic"], state)[:, 0]
        return actor + 0.5 * jnp.mean((value - advantage) ** 2), ratio

    def epoch(carry: Any, _: Any) -> Any:
        params, state, key, batch = carry
        key, own = jax.random.split(key)
        order = jax.random.permutation(own, 4)
        rows = jax.tree.map(lambda a: a[order].reshape(2, 2, *a.shape[1:]), batch)

        def minibatch(carry: Any, rows: Any) -> Any:
            params, state = carry
            grads, _ = jax.grad(loss_fn, has_aux=True)(params, rows)
            updates, state = optimizer.update(grads, state)
            return (optax.apply_updates(params, updates), state), grads

        (params, state), seen = lax.scan(minibatch, (params, state), rows)
        return (params, state, key, batch), seen

    @jax.jit
    def step(params: Any, state: Any, key: Any, batch: Any) -> Any:
        (params, state, key, _), _ = lax.scan(
            epoch, (params, state, key, batch), length=2
        )
        return params, state, key

    def gradient(params: Any, state: Any, key: Any, batch: Any) -> Any:
        return lax.scan(epoch, (params, state, key, batch), length=2)[1]

    params = {"actor": parameters(0), "critic": parameters(1)}
    batch = (X, Y, np.zeros(4, np.float32), NOISE[:, 0])
    args = (params, optimizer.init(params), jax.random.PRNGKey(0), batch)
    return TrainStep(step, args, gradient, moved=False)


def agent_with_targets() -> TrainStep:
    """SAC: actor, two critics, their targets and a temperature."""
    optimizer = optax.adam(1e-2)

    def sample(actor: Any, state: Any) -> Any:
        mean = predict(actor, state)
        action = jnp.tanh(mean + 0.1 * NOISE)
        return action, -jnp.sum(jnp.log(1 - action**2 + 1e-3), -1)

    def critic_loss(critics: Any, nets: Any, x: Any, y: Any) -> Any:
        action, log_prob = sample(nets["actor"], y)
        following = [predict(c, y + action)[:, 0] for c in nets["targets"]]
        soft = jnp.minimum(*following) - jnp.exp(nets["log_alpha"]) * log_prob
        target = lax.stop_gradient(x[:, 0] + 0.99 * soft)
        return sum(jnp.mean((predict(c, x)[:, 0] - target) ** 2) for c in critics)

    def actor_loss(actor: Any, nets: Any, x: Any) -> Any:
        action, log_prob = sample(actor, x)
        value = jnp.minimum(*(predict(c, x + action)[:, 0] for c in nets["critics"]))
        alpha = lax.stop_gradient(jnp.exp(nets["log_alpha"]))
        return jnp.mean(alpha * log_prob - value), log_prob

    def alpha_loss(log_alpha: Any, log_prob: Any) -> Any:
        return -jnp.mean(log_alpha * lax.stop_gradient(log_prob - 3))

    def learn(nets: Any, states: Any, x: Any, y: Any) -> Any:
        nets, states, seen = {**nets}, {**states}, {}

        def move(name: str, grads: Any) -> None:
            seen[name] = grads
            updates, states[name] = optimizer.update(grads, states[name])
            nets[name] = optax.apply_updates(nets[name], updates)

        move("critics", jax.grad(critic_loss)(nets["critics"], nets, x, y))
        grads, log_prob = jax.grad(actor_loss, has_aux=True)(nets["actor"], nets, x)
        move("actor", grads)
        move("log_alpha", jax.grad(alpha_loss)(nets["log_alpha"], log_prob))
        nets["targets"] = optax.incremental_update(
            nets["critics"], nets["targets"], 0.005
        )
        return nets, states, seen

    @jax.jit
    def step(nets: Any, states: Any, x: Any, y: Any) -> Any:
        return learn(nets, states, x, y)[:2]

    critics = [parameters(1), parameters(2)]
    nets = {
        "actor": parameters(0),
        "critics": critics,
        "targets": [parameters(3), parameters(4)],
        "log_alpha": jnp.float32(0.1),
    }
    trained = ("actor", "critics", "log_alpha")

    def of(nets: Any) -> Any:
        return {name: nets[name] for name in trained}

    states = {name: optimizer.init(nets[name]) for name in trained}
    return TrainStep(
        step,
        (nets, states, X, Y),
        lambda *args: learn(*args)[2],
        old=lambda args: of(args[0]),
        new=lambda out: of(out[0]),
    )


def inner_steps_in_a_scan() -> TrainStep:
    """MAML: the inner steps in a loop, tasks by vmap."""
    optimizer = optax.adam(1e-2)

    def task_loss(params: Any, x: Any, y: Any) -> Any:
        def inner(fast: Any, _: Any) -> Any:
            grads = jax.grad(mse)(fast, x, y)
            return jax.tree.map(lambda p, g: p - 0.1 * g, fast, grads), None

        fast, _ = lax.scan(inner, params, length=2)
        return mse(fast, y, x)

    def meta_loss(params: Any, x: Any, y: Any) -> Any:
        return jnp.mean(jax.vmap(task_loss, (None, 0, 0))(params, x, y))

    @jax.jit
    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        loss, grads = jax.value_and_grad(meta_loss)(params, x, y)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), state, loss

    params = parameters()
    args = (params, optimizer.init(params), X.reshape(2, 2, 3), Y.reshape(2, 2, 3))
    return TrainStep(step, args, lambda p, s, x, y: jax.grad(meta_loss)(p, x, y))


def denoiser() -> TrainStep:
    """A diffusion model: keys in the state, noise at a random time, an average."""
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-2))
    scale = jnp.cumprod(1 - jnp.linspace(1e-3, 0.1, 10))

    def loss_fn(params: Any, x: Any, key: Any) -> Any:
        time_key, noise_key = jax.random.split(key)
        time = jax.random.randint(time_key, (len(x),), 0, 10)
        noise = jax.random.normal(noise_key, x.shape)
        kept = scale[time][:, None]
        noisy = jnp.sqrt(kept) * x + jnp.sqrt(1 - kept) * noise
        embedded = jnp.sin(time[:, None] * jnp.arange(1.0, 4.0))
        return jnp.mean((predict(params, noisy + embedded) - noise) ** 2)

    @jax.jit
    def step(state: Any, x: Any) -> Any:
        key, own = jax.random.split(state["key"])
        loss, grads = jax.value_and_grad(loss_fn)(state["params"], x, own)
        updates, opt = optimizer.update(grads, state["opt"], state["params"])
        params = optax.apply_updates(state["params"], updates)
        average = jax.tree.map(
            lambda e, p: 0.99 * e + 0.01 * p, state["average"], params
        )
        new = {"params": params, "average": average, "opt": opt, "key": key}
        return {**new, "step": state["step"] + 1}, loss

    def gradient(state: Any, x: Any) -> Any:
        return jax.grad(loss_fn)(state["params"], x, jax.random.split(state["key"])[1])

    params = parameters()
    state = {
        "params": params,
        "average": parameters(1),
        "opt": optimizer.init(params),
        "key": jax.random.PRNGKey(1),
        "step": jnp.int32(0),
    }
    return TrainStep(
        step,
        (state, X),
        gradient,
        old=lambda args: args[0]["params"],
        new=lambda out: out[0]["params"],
    )


def two_towers() -> TrainStep:
    """CLIP: two towers of one structure and a learnt temperature."""
    optimizer = optax.lamb(1e-2)

    def loss_fn(params: Any, x: Any, y: Any) -> Any:
        def normal(tower: Any, x: Any) -> Any:
            out = predict(tower, x)
            return out / jnp.linalg.norm(out, axis=-1, keepdims=True)

        image, text = normal(params["image"], x), normal(params["text"], y)
        logits = jnp.exp(params["temperature"]) * image @ text.T
        labels = jnp.arange(len(x))
        cross = optax.softmax_cross_entropy_with_integer_labels
        return (cross(logits, labels).mean() + cross(logits.T, labels).mean()) / 2

    @jax.jit
    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_fn)(params, x, y)
        updates, state = optimizer.update(grads, state, params)
        params = optax.apply_updates(params, updates)
        params["temperature"] = jnp.clip(params["temperature"], 0, 4.6)
        return params, state, loss

    params = {
        "image": parameters(0),
        "text": parameters(1),
        "temperature": jnp.float32(1.0),
    }
    return TrainStep(
        step,
        (params, optimizer.init(params), X, Y),
        lambda params, state, x, y: jax.grad(loss_fn)(params, x, y),
        moved=False,
    )


def autoencoder() -> TrainStep:
    """A VAE whose state holds the key of its noise."""
    optimizer = optax.adam(1e-2)

    def loss_fn(params: Any, x: Any, key: Any) -> Any:
        mean, log_var = predict(params["mean"], x), predict(params["spread"], x)
        noise = jax.random.normal(key, mean.shape)
        code = mean + jnp.exp(0.5 * log_var) * noise
        out = jax.nn.sigmoid(predict(params["decoder"], code))
        kl = -0.5 * jnp.mean(1 + log_var - mean**2 - jnp.exp(log_var))
        return jnp.mean((out - x) ** 2) + kl, kl

    @jax.jit
    def step(params: Any, opt: Any, key: Any, x: Any) -> Any:
        key, own = jax.random.split(key)
        grads, kl = jax.grad(loss_fn, has_aux=True)(params, x, own)
        updates, opt = optimizer.update(grads, opt)
        return optax.apply_updates(params, updates), opt, key, kl

    params = {n: parameters(i) for i, n in enumerate(("mean", "spread", "decoder"))}
    return TrainStep(
        step,
        (params, optimizer.init(params), jax.random.PRNGKey(0), X),
        lambda params, opt, key, x: jax.grad(loss_fn, has_aux=True)(
            params, x, jax.random.split(key)[1]
        )[0],
    )


EXAMPLE_STEPS = {
    step.__name__: step
    for step in (
        shuffled_epochs,
        agent_with_targets,
        inner_steps_in_a_scan,
        denoiser,
        two_towers,
        autoencoder,
    )
}
