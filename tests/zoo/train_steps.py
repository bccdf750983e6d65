"""Train steps that are more than gradient, update, apply."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tests.zoo.program import ZooProgram, trained_plainly

X = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=8).astype(np.float32)
Batch = tuple[jax.Array, jax.Array]


def _params() -> dict[str, jax.Array]:
    return {"w": jnp.ones((4, 5)) / 4, "b": jnp.zeros(5), "v": jnp.ones(5) / 5}


def _loss(params: Any, batch: Batch) -> jax.Array:
    x, y = batch
    hidden = jnp.tanh(x @ params["w"] + params["b"])
    return jnp.mean((hidden @ params["v"] - y) ** 2)


def donated() -> ZooProgram:
    """A step that donates its state."""
    tx = optax.adam(1e-2)

    @partial(jax.jit, donate_argnums=0)
    def train_step(state, batch):
        params, opt_state = state
        loss, grads = jax.value_and_grad(_loss)(params, batch)
        updates, opt_state = tx.update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), {"loss": loss}

    own = _params()
    state = (own, tx.init(own))
    return ZooProgram("donated", _loss, _params(), (X, Y), (), False, train_step, state)


def accumulated() -> ZooProgram:
    """Gradients of four micro-batches added up by `lax.scan`."""
    tx = optax.sgd(1e-2)

    @jax.jit
    def train_step(state, batch):
        params, opt_state = state
        micro = jax.tree.map(lambda a: a.reshape(4, -1, *a.shape[1:]), batch)

        def add(total, part):
            loss, grads = jax.value_and_grad(_loss)(params, part)
            return jax.tree.map(jnp.add, total, grads), loss

        zeros = jax.tree.map(jnp.zeros_like, params)
        total, losses = jax.lax.scan(add, zeros, micro)
        grads = jax.tree.map(lambda g: g / 4, total)
        updates, opt_state = tx.update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), {
            "loss": losses.mean()
        }

    params = _params()
    state = (params, tx.init(params))
    return ZooProgram(
        "accumulated", _loss, params, (X, Y), (), False, train_step, state
    )


def multi_steps() -> ZooProgram:
    """`optax.MultiSteps`: every second step moves the parameters."""
    tx = optax.MultiSteps(optax.adam(1e-2), every_k_schedule=2)
    whole = tx.gradient_transformation()
    return trained_plainly("multi_steps", _loss, _params(), (X, Y), whole)


def apply_if_finite() -> ZooProgram:
    """`optax.apply_if_finite` around a clipped AdamW that decays matrices only."""
    decayed = optax.adamw(
        1e-2, weight_decay=0.1, mask=lambda p: jax.tree.map(lambda x: x.ndim > 1, p)
    )
    clipped = optax.chain(optax.clip_by_global_norm(0.5), decayed)
    tx = optax.apply_if_finite(clipped, max_consecutive_errors=3)
    return trained_plainly("apply_if_finite", _loss, _params(), (X, Y), tx)


def frozen_encoder() -> ZooProgram:
    """Fine-tuning: the encoder is frozen by the optimiser, the head learns."""
    labels = {"w": "frozen", "b": "frozen", "v": "head"}
    tx = optax.multi_transform(
        {"frozen": optax.set_to_zero(), "head": optax.adam(1e-2)}, labels
    )
    return trained_plainly("frozen_encoder", _loss, _params(), (X, Y), tx)


def self_distillation() -> ZooProgram:
    """A student follows a moving average of itself, behind stop_gradient."""
    tx = optax.lamb(1e-2)

    def loss_fn(params, batch, teacher):
        x, _ = batch
        student = jnp.tanh((x + 0.1) @ params["w"] + params["b"]) * params["v"]
        target = jnp.tanh(x @ teacher["w"] + teacher["b"]) * teacher["v"]
        target = jax.lax.stop_gradient(target)
        return -jnp.mean(optax.cosine_similarity(student, target, epsilon=1e-6))

    @jax.jit
    def train_step(state, batch):
        params, teacher, opt_state = state
        loss, grads = jax.value_and_grad(loss_fn)(params, batch, teacher)
        updates, opt_state = tx.update(grads, opt_state, params)
        params = optax.apply_updates(params, updates)
        teacher = optax.incremental_update(params, teacher, 0.01)
        return (params, teacher, opt_state), {"loss": loss}

    params = _params()
    teacher = jax.tree.map(lambda x: 0.9 * x + 0.05, params)
    state = (params, teacher, tx.init(params))
    return ZooProgram(
        name="self_distillation",
        loss_fn=loss_fn,
        params=params,
        batch=(X, Y),
        extra=(teacher,),
        has_aux=False,
        train_step=train_step,
        state=state,
    )


def adversarial() -> ZooProgram:
    """A generator and a discriminator, each with its own optimiser."""
    tx_g, tx_d = optax.adam(1e-3, b1=0.5), optax.adam(4e-3, b1=0.5)

    def generate(params, key):
        return jax.nn.leaky_relu(jax.random.normal(key, (8, 2)) @ params["w"])

    def judge(params, x):
        return jnp.tanh(x @ params["w"]) @ params["v"]

    def discriminator_loss(params, real, fake):
        real_loss = optax.sigmoid_binary_cross_entropy(judge(params, real), 1.0)
        fake_loss = optax.sigmoid_binary_cross_entropy(judge(params, fake), 0.0)
        return jnp.mean(real_loss + fake_loss)

    def loss_fn(params, batch, key):
        fake = generate(params["generator"], key)
        judged = judge(jax.lax.stop_gradient(params["discriminator"]), fake)
        fooling = jnp.mean(optax.sigmoid_binary_cross_entropy(judged, 1.0))
        fake = jax.lax.stop_gradient(fake)
        telling = discriminator_loss(params["discriminator"], batch, fake)
        return fooling + telling, {"generator": fooling, "discriminator": telling}

    @jax.jit
    def train_step(state, batch):
        params, opt_g, opt_d, key = state
        key, step_key = jax.random.split(key)
        grads, losses = jax.grad(loss_fn, has_aux=True)(params, batch, step_key)
        move_g, opt_g = tx_g.update(grads["generator"], opt_g)
        move_d, opt_d = tx_d.update(grads["discriminator"], opt_d)
        moves = {"generator": move_g, "discriminator": move_d}
        return (optax.apply_updates(params, moves), opt_g, opt_d, key), losses

    params = {
        "generator": {"w": jnp.linspace(-1, 1, 8).reshape(2, 4)},
        "discriminator": {"w": jnp.linspace(-1, 1, 20).reshape(4, 5), "v": jnp.ones(5)},
    }
    key = jax.random.key(0)
    return ZooProgram(
        name="adversarial",
        loss_fn=loss_fn,
        params=params,
        batch=X,
        extra=(key,),
        has_aux=True,
        train_step=train_step,
        state=(
            params,
            tx_g.init(params["generator"]),
            tx_d.init(params["discriminator"]),
            key,
        ),
    )


def q_learning() -> ZooProgram:
    """Deep Q-learning with a target network and integer actions."""
    tx = optax.rmsprop(1e-3)
    batch = {
        "state": X,
        "action": np.arange(8, dtype=np.int32) % 5,
        "reward": Y,
        "next_state": X[::-1].copy(),
        "done": np.arange(8) == 3,
    }

    def values(params, x):
        return jnp.tanh(x @ params["w"] + params["b"]) * params["v"]

    def loss_fn(params, batch, target):
        chosen = jnp.take_along_axis(
            values(params, batch["state"]), batch["action"][:, None], axis=1
        )[:, 0]
        best = values(target, batch["next_state"]).max(-1)
        goal = batch["reward"] + 0.99 * jnp.where(batch["done"], 0.0, best)
        return jnp.mean(optax.huber_loss(chosen, jax.lax.stop_gradient(goal)))

    @jax.jit
    def train_step(state, batch):
        params, target, opt_state, step = state
        loss, grads = jax.value_and_grad(loss_fn)(params, batch, target)
        updates, opt_state = tx.update(grads, opt_state)
        params = optax.apply_updates(params, updates)
        target = optax.periodic_update(params, target, step, 2)
        return (params, target, opt_state, step + 1), {"loss": loss}

    params = _params()
    target = _params()
    state = (params, target, tx.init(params), jnp.int32(1))
    return ZooProgram(
        name="q_learning",
        loss_fn=loss_fn,
        params=params,
        batch=batch,
        extra=(target,),
        has_aux=False,
        train_step=train_step,
        state=state,
    )


TRAIN_STEPS = {
    maker.__name__: maker
    for maker in (
        donated,
        accumulated,
        multi_steps,
        apply_if_finite,
        frozen_encoder,
        self_distillation,
        adversarial,
        q_learning,
    )
}
