"""Reinforcement learning in Linen, in the manner of public collections of agents."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax.training.train_state import TrainState
from jax import lax

from tests.steps.fill import fill
from tests.steps.train_step import TrainStep

_RNG = np.random.default_rng(0)
_SEEN, _NEXT = (_RNG.normal(size=(6, 4)).astype(np.float32) for _ in range(2))
_REWARD = _RNG.normal(size=6).astype(np.float32)
_CHOSEN = np.arange(6) % 2
_KEY = jax.random.PRNGKey(0)


class _Mlp(nn.Module):
    outputs: int

    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.outputs)(nn.relu(nn.Dense(5)(x)))


class _ActorCritic(nn.Module):
    @nn.compact
    def __call__(self, x):
        actor = nn.Dense(3)(nn.tanh(nn.Dense(5, name="torso")(x)))
        critic = nn.Dense(1)(nn.tanh(nn.Dense(5)(x)))
        return nn.log_softmax(actor), critic[..., 0]


class _State(TrainState):
    target: Any = None


def _state(network: Any, *inputs: Any, tx: Any = None) -> _State:
    params = fill(jax.eval_shape(network.init, _KEY, *inputs))
    target = jax.tree.map(lambda p: 0.9 * p, params)
    tx = tx or optax.adam(1e-2)
    return _State.create(apply_fn=network.apply, params=params, tx=tx, target=target)


def scheduled_policy_gradient() -> TrainStep:
    """PPO: one loss of actor and critic, clipped by its norm, on a schedule."""
    network = _ActorCritic()
    adam = optax.inject_hyperparams(optax.adam)(lambda count: 0.01 * (1 - count / 9))
    state = _state(network, _SEEN, tx=optax.chain(optax.clip_by_global_norm(0.5), adam))

    def loss_fn(params: Any, seen: Any, chosen: Any, old: Any, gain: Any) -> Any:
        log_probs, value = network.apply(params, seen)
        ratio = jnp.exp(log_probs[jnp.arange(len(chosen)), chosen] - old)
        scaled = (gain - gain.mean()) / (gain.std() + 1e-6)
        clipped = jnp.clip(ratio, 0.8, 1.2)
        policy = -jnp.minimum(ratio * scaled, clipped * scaled).mean()
        entropy = -jnp.sum(jnp.exp(log_probs) * log_probs, -1).mean()
        return policy - 0.01 * entropy + 0.5 * jnp.mean((value - gain) ** 2), ratio

    @jax.jit
    def step(state: Any, *batch: Any) -> Any:
        grads, ratio = jax.grad(loss_fn, has_aux=True)(state.params, *batch)
        return state.apply_gradients(grads=grads), ratio.mean()

    return TrainStep(
        step,
        (state, _SEEN, _CHOSEN, -np.abs(_REWARD), _REWARD),
        lambda state, *batch: jax.grad(loss_fn, has_aux=True)(state.params, *batch)[0],
        old=lambda args: args[0].params,
        new=lambda out: out[0].params,
    )


def played_and_learnt() -> TrainStep:
    """Acting in a scan, then learning in a scan: a whole update in one step."""
    network = _ActorCritic()
    state = _state(network, _SEEN)

    def play(carry: Any, _: Any) -> Any:
        params, seen, key = carry
        key, own = jax.random.split(key)
        log_probs, _ = network.apply(params, seen)
        chosen = jax.random.categorical(own, log_probs)
        return (params, 0.9 * seen + 0.1 * chosen[:, None], key), (seen, chosen)

    def loss_fn(params: Any, seen: Any, chosen: Any) -> Any:
        log_probs, value = network.apply(params, seen)
        taken = jnp.take_along_axis(log_probs, chosen[..., None], -1)[..., 0]
        gain = lax.stop_gradient(-jnp.sum(seen**2, -1) - value)
        return jnp.mean((value + jnp.sum(seen**2, -1)) ** 2 - gain * taken)

    def update(state: Any, seen: Any, key: Any) -> Any:
        carry = (state.params, seen, key)
        (_, seen, key), played = lax.scan(play, carry, length=3)

        def learn(state: Any, rows: Any) -> Any:
            grads = jax.grad(loss_fn)(state.params, *rows)
            return state.apply_gradients(grads=grads), grads

        state, grads = lax.scan(learn, state, played)
        return state, seen, key, grads

    return TrainStep(
        jax.jit(lambda *args: update(*args)[:3]),
        (state, _SEEN, _KEY),
        lambda *args: update(*args)[3],
        old=lambda args: args[0].params,
        new=lambda out: out[0].params,
        moved=False,
    )


def _learning_values(network: Any, step: Any, gradient: Any) -> TrainStep:
    """A step of a state by one batch of what was seen, chosen and rewarded."""
    return TrainStep(
        step,
        (_state(network, _SEEN), _SEEN, _CHOSEN, _REWARD, _NEXT),
        gradient,
        old=lambda args: args[0].params,
        new=lambda out: out.params,
    )


def distributional_values() -> TrainStep:
    """C51: the target's atoms are shared out among bins in a loop."""
    network, atoms = _Mlp(2 * 5), jnp.linspace(-2.0, 2.0, 5)

    def chances(params: Any, seen: Any) -> Any:
        return nn.softmax(network.apply(params, seen).reshape(-1, 2, 5))

    def target_of(state: Any, following: Any, reward: Any) -> Any:
        later = chances(state.target, following)
        best = jnp.argmax(later @ atoms, -1)
        later = later[jnp.arange(6), best]
        position = (jnp.clip(reward[:, None] + 0.9 * atoms, -2, 2) + 2) / 1.0
        low = jnp.clip(jnp.floor(position), 0, 3).astype(int)

        def share(row: Any, total: Any) -> Any:
            part = (position[row] - low[row]) * later[row]
            total = total.at[row, low[row] + 1].add(part)
            return total.at[row, low[row]].add(later[row] - part)

        return lax.fori_loop(0, 6, share, jnp.zeros_like(later))

    def loss_fn(params: Any, target: Any, seen: Any, chosen: Any) -> Any:
        own = jnp.clip(chances(params, seen)[jnp.arange(6), chosen], 1e-5, 1.0)
        return -jnp.sum(target * jnp.log(own), -1).mean()

    @jax.jit
    def step(state: Any, seen: Any, chosen: Any, reward: Any, following: Any) -> Any:
        target = target_of(state, following, reward)
        grads = jax.grad(loss_fn)(state.params, target, seen, chosen)
        return state.apply_gradients(grads=grads)

    def gradient(state: Any, seen: Any, chosen: Any, reward: Any, then: Any) -> Any:
        target = target_of(state, then, reward)
        return jax.grad(loss_fn)(state.params, target, seen, chosen)

    return _learning_values(network, step, gradient)


def twin_critics() -> TrainStep:
    """TD3: two critics by one loss, then the actor by one of the new critics."""
    critic, actor = _Mlp(1), _Mlp(2)

    def value(params: Any, seen: Any, action: Any) -> Any:
        return critic.apply(params, jnp.concatenate([seen, action], -1))[:, 0]

    def act(params: Any, seen: Any) -> Any:
        return jnp.tanh(actor.apply(params, seen))

    def target_of(policy: Any, critics: Any, then: Any, reward: Any, key: Any) -> Any:
        noise = jnp.clip(0.2 * jax.random.normal(key, (6, 2)), -0.5, 0.5)
        action = jnp.clip(act(policy.target, then) + noise, -1, 1)
        return reward + 0.9 * jnp.minimum(
            *(value(critic.target, then, action) for critic in critics)
        )

    def critic_loss(params: Any, target: Any, seen: Any, action: Any) -> Any:
        return jnp.mean((value(params, seen, action) - target) ** 2)

    def actor_loss(params: Any, critic: Any, seen: Any) -> Any:
        return -value(critic.params, seen, act(params, seen)).mean()

    def learn(state: Any, grads: Any) -> Any:
        state = state.apply_gradients(grads=grads)
        target = optax.incremental_update(state.params, state.target, 0.1)
        return state.replace(target=target)

    def everything(policy: Any, critics: Any, batch: Any, key: Any) -> Any:
        seen, action, reward, then = batch
        target = target_of(policy, critics, then, reward, key)
        firsts = [
            jax.grad(critic_loss)(critic.params, target, seen, action)
            for critic in critics
        ]
        critics = tuple(map(learn, critics, firsts))
        grads = jax.grad(actor_loss)(policy.params, critics[0], seen)
        return learn(policy, grads), critics, (grads, firsts)

    both = np.concatenate([_SEEN, _SEEN[:, :2]], -1)
    critics = (_state(critic, both), _state(critic, both))
    batch = (_SEEN, np.tanh(_NEXT[:, :2]), _REWARD, _NEXT)
    return TrainStep(
        jax.jit(lambda *args: everything(*args)[:2]),
        (_state(actor, _SEEN), _apart(critics), batch, _KEY),
        lambda *args: everything(*args)[2],
        old=lambda args: (args[0].params, [critic.params for critic in args[1]]),
        new=lambda out: (out[0].params, [critic.params for critic in out[1]]),
    )


def _apart(states: Any) -> Any:
    """Arrays of their own for each, and other values in the second."""
    first, second = states
    return first, second.replace(
        params=jax.tree.map(lambda p: p + 0.1, second.params),
        target=jax.tree.map(lambda p: p + 0.2, second.target),
    )


def learnt_now_and_then() -> TrainStep:
    """DQN in one program: learning in a branch, the target's copy in another."""
    network = _Mlp(2)

    def loss_fn(params: Any, target: Any, seen: Any, chosen: Any) -> Any:
        values = network.apply(params, seen)
        return jnp.mean((values[jnp.arange(6), chosen] - target) ** 2)

    def target_of(state: Any, reward: Any, then: Any) -> Any:
        return reward + 0.9 * network.apply(state.target, then).max(-1)

    def gradient(state: Any, seen: Any, chosen: Any, reward: Any, then: Any) -> Any:
        target = target_of(state, reward, then)
        return jax.grad(loss_fn)(state.params, target, seen, chosen)

    @jax.jit
    def step(state: Any, *batch: Any) -> Any:
        state = lax.cond(
            state.step % 2 == 0,
            lambda state: state.apply_gradients(grads=gradient(state, *batch)),
            lambda state: state.replace(step=state.step + 1),
            state,
        )
        return lax.cond(
            state.step % 4 == 0,
            lambda state: state.replace(target=state.params),
            lambda state: state,
            state,
        )

    return _learning_values(network, step, gradient)


AGENT_STEPS = {
    step.__name__: step
    for step in (
        scheduled_policy_gradient,
        played_and_learnt,
        distributional_values,
        twin_critics,
        learnt_now_and_then,
    )
}
