"""Train steps with several networks: adversaries, teachers, targets, averages."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from tests.steps.train_step import TrainStep, X, Y, mse, parameters, predict


def adversaries() -> TrainStep:
    """A GAN: two states of one structure, two losses, two optimisers."""
    first, second = optax.adam(1e-3, b1=0.5), optax.adam(4e-3, b1=0.5)

    def judge(disc: Any, x: Any) -> Any:
        return jnp.mean(predict(disc, x), -1)

    def disc_loss(disc: Any, gen: Any, noise: Any, real: Any) -> Any:
        fake = judge(disc, predict(gen, noise))
        true = judge(disc, real)
        return jnp.mean(jax.nn.softplus(fake)) + jnp.mean(jax.nn.softplus(-true))

    def gen_loss(gen: Any, disc: Any, noise: Any) -> Any:
        return jnp.mean(jax.nn.softplus(-judge(disc, predict(gen, noise))))

    @jax.jit
    def step(gen: Any, disc: Any, states: Any, noise: Any, real: Any) -> Any:
        d_loss, grads = jax.value_and_grad(disc_loss)(disc, gen, noise, real)
        updates, d_state = second.update(grads, states[1])
        disc = optax.apply_updates(disc, updates)
        g_loss, grads = jax.value_and_grad(gen_loss)(gen, disc, noise)
        updates, g_state = first.update(grads, states[0])
        gen = optax.apply_updates(gen, updates)
        return gen, disc, (g_state, d_state), {"gen": g_loss, "disc": d_loss}

    def gradient(gen: Any, disc: Any, states: Any, noise: Any, real: Any) -> Any:
        d_grads = jax.grad(disc_loss)(disc, gen, noise, real)
        updates, _ = second.update(d_grads, states[1])
        moved = optax.apply_updates(disc, updates)
        return jax.grad(gen_loss)(gen, moved, noise), d_grads

    gen, disc = parameters(0), parameters(1)
    return TrainStep(
        step,
        (gen, disc, (first.init(gen), second.init(disc)), X, Y),
        gradient,
        old=lambda args: args[:2],
        new=lambda out: out[:2],
    )


def results_in_another_order() -> TrainStep:
    """Two networks of one structure come out in the opposite order."""

    def loss(params: Any, x: Any, y: Any) -> Any:
        return mse(params[0], x, y) + mse(params[1], y, x)

    @jax.jit
    def step(encoder: Any, decoder: Any, x: Any, y: Any) -> Any:
        grads = jax.grad(loss)((encoder, decoder), x, y)
        new = jax.tree.map(lambda p, g: p - 0.1 * g, (encoder, decoder), grads)
        return new[1], new[0]

    return TrainStep(
        step,
        (parameters(0), parameters(1), X, Y),
        lambda encoder, decoder, x, y: jax.grad(loss)((encoder, decoder), x, y),
        old=lambda args: args[:2],
        new=lambda out: (out[1], out[0]),
    )


def self_distillation() -> TrainStep:
    """BYOL: the teacher is an average of the student and is read by the loss."""
    optimizer = optax.lamb(1e-2)

    def loss(student: Any, teacher: Any, x: Any, y: Any) -> Any:
        target = jax.lax.stop_gradient(predict(teacher, y))
        return jnp.mean((predict(student, x) - target) ** 2)

    @jax.jit
    def step(state: Any, x: Any, y: Any) -> Any:
        student, teacher = state["student"], state["teacher"]
        value, grads = jax.value_and_grad(loss)(student, teacher, x, y)
        updates, opt_state = optimizer.update(grads, state["opt"], student)
        student = optax.apply_updates(student, updates)
        teacher = optax.incremental_update(student, teacher, 0.01)
        return {"student": student, "teacher": teacher, "opt": opt_state}, value

    params = parameters()
    state = {"student": params, "teacher": parameters(1), "opt": optimizer.init(params)}
    return TrainStep(
        step,
        (state, X, Y),
        lambda state, x, y: jax.grad(loss)(state["student"], state["teacher"], x, y),
        old=lambda args: args[0]["student"],
        new=lambda out: out[0]["student"],
    )


def teacher_in_a_loop() -> TrainStep:
    """Student and teacher by one line of code: no source tells them apart."""

    def loss(student: Any, teacher: Any, x: Any) -> Any:
        one, other = [predict(params, x) for params in (student, teacher)]
        return jnp.mean((one - jax.lax.stop_gradient(other)) ** 2)

    @jax.jit
    def step(student: Any, teacher: Any, x: Any) -> Any:
        grads = jax.grad(loss)(student, teacher, x)
        student = jax.tree.map(lambda p, g: p - 0.1 * g, student, grads)
        teacher = jax.tree.map(lambda t, p: 0.9 * t + 0.1 * p, teacher, student)
        return student, teacher

    return TrainStep(step, (parameters(), parameters(1), X), jax.grad(loss))


def target_network() -> TrainStep:
    """Deep Q-learning: the target is the old network, copied now and then."""
    optimizer = optax.rmsprop(1e-3)

    def loss(params: Any, target: Any, batch: Any) -> Any:
        values = predict(params, batch["state"])
        chosen = jnp.take_along_axis(values, batch["action"][:, None], 1)[:, 0]
        best = predict(target, batch["next_state"]).max(-1)
        goal = batch["reward"] + 0.99 * best
        return jnp.mean(optax.huber_loss(chosen, jax.lax.stop_gradient(goal)))

    @jax.jit
    def step(params: Any, target: Any, opt_state: Any, count: Any, batch: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params, target, batch)
        updates, opt_state = optimizer.update(grads, opt_state)
        params = optax.apply_updates(params, updates)
        target = optax.periodic_update(params, target, count, 2)
        return params, target, opt_state, count + 1, value

    params = parameters()
    batch = {
        "state": X,
        "next_state": Y,
        "reward": X[:, 0],
        "action": jnp.array([0, 1, 2, 0]),
    }
    return TrainStep(
        step,
        (params, parameters(1), optimizer.init(params), jnp.int32(1), batch),
        lambda params, target, state, count, batch: jax.grad(loss)(
            params, target, batch
        ),
    )


def actor_and_critic() -> TrainStep:
    """One loss of two networks under one optimiser, and a soft target update."""
    optimizer = optax.chain(optax.clip_by_global_norm(0.5), optax.adam(1e-3))

    def loss(params: Any, x: Any, y: Any) -> Any:
        value = predict(params["critic"], x)
        advantage = jax.lax.stop_gradient(y - value)
        policy = jax.nn.log_softmax(predict(params["actor"], x))
        return jnp.mean((value - y) ** 2) - jnp.mean(policy * advantage)

    @jax.jit
    def step(state: Any, x: Any, y: Any) -> Any:
        grads = jax.grad(loss)(state["params"], x, y)
        updates, opt_state = optimizer.update(grads, state["opt"])
        params = optax.apply_updates(state["params"], updates)
        slow = optax.incremental_update(params["critic"], state["slow"], 0.005)
        return {"params": params, "slow": slow, "opt": opt_state}

    params = {"actor": parameters(0), "critic": parameters(1)}
    state = {"params": params, "slow": params["critic"], "opt": optimizer.init(params)}
    return TrainStep(
        step,
        (state, X, Y),
        lambda state, x, y: jax.grad(loss)(state["params"], x, y),
        old=lambda args: args[0]["params"],
        new=lambda out: out["params"],
    )


def variance_reduced() -> TrainStep:
    """SVRG: the same loss is differentiated by a snapshot of the parameters too."""

    @jax.jit
    def step(state: Any, x: Any, y: Any) -> Any:
        params, snapshot, full = state
        here = jax.grad(mse)(params, x, y)
        there = jax.grad(mse)(snapshot, x, y)
        moves = jax.tree.map(lambda a, b, c: a - b + c, here, there, full)
        params = jax.tree.map(lambda p, v: p - 0.1 * v, params, moves)
        return params, snapshot, full

    return TrainStep(
        step,
        ((parameters(), parameters(1), parameters(2)), X, Y),
        lambda state, x, y: (jax.grad(mse)(state[0], x, y), state[1]),
        old=lambda args: args[0][:2],
        new=lambda out: out[:2],
        unidentified={"0/1/": "its new value is its old one"},
    )


def two_losses() -> TrainStep:
    """Gradients of two tasks are added: the gradient of the sum of the losses."""

    @jax.jit
    def step(params: Any, x: Any, y: Any) -> Any:
        one = jax.grad(mse)(params, x, y)
        other = jax.grad(lambda p: jnp.mean(jnp.abs(predict(p, y) - x)))(params)
        return jax.tree.map(lambda p, a, b: p - 0.1 * (a + b), params, one, other)

    def both(params: Any, x: Any, y: Any) -> Any:
        return mse(params, x, y) + jnp.mean(jnp.abs(predict(params, y) - x))

    return TrainStep(step, (parameters(), X, Y), jax.grad(both), new=lambda out: out)


def pulled_to_its_average() -> TrainStep:
    """The loss holds the weights near their own average, in one expression."""

    def loss(params: Any, average: Any, x: Any, y: Any) -> Any:
        pull = jax.tree.map(lambda p, a: jnp.sum((p - a) ** 2), params, average)
        return mse(params, x, y) + sum(jax.tree.leaves(pull))

    @jax.jit
    def step(params: Any, average: Any, x: Any, y: Any) -> Any:
        grads = jax.grad(loss)(params, average, x, y)
        params = jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)
        average = jax.tree.map(lambda a, p: a + 0.1 * (p - a), average, params)
        return params, average

    return TrainStep(step, (parameters(), parameters(1), X, Y), jax.grad(loss))


NETWORK_STEPS = {
    step.__name__: step
    for step in (
        adversaries,
        results_in_another_order,
        self_distillation,
        teacher_in_a_loop,
        target_network,
        actor_and_critic,
        variance_reduced,
        two_losses,
        pulled_to_its_average,
    )
}
