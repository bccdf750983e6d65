"""Losses, updates and projections of Optax, all with right gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax import losses, projections

from tests.verification.correct_program import Correct, scaled, some

Rng = np.random.Generator


def regression() -> Correct:
    """Some errors are zero, some where Huber's loss changes its form."""

    def function(x: Any, y: Any) -> Any:
        return (
            losses.l2_loss(x, y),
            losses.huber_loss(x, y, delta=1.0),
            losses.log_cosh(x, y),
            losses.cosine_distance(x, y + 0.5, epsilon=1e-3),
            losses.squared_error(x, y),
        )

    def draw(rng: Rng) -> Any:
        y = np.rint(4 * rng.normal(size=(4, 5))) / 4
        return y + some(rng, some(rng, scaled(rng, 4, 5), 0), rng.choice([-1, 1])), y

    return Correct(function, draw)


def classification() -> Correct:
    """Margins met exactly, and large logits."""

    def function(x: Any, signs: Any, labels: Any, p: Any) -> Any:
        bits, hot = (signs + 1) / 2, jax.nn.one_hot(labels, 5)
        return (
            losses.hinge_loss(x, signs),
            losses.perceptron_loss(x, signs),
            losses.sigmoid_binary_cross_entropy(x, bits),
            losses.sigmoid_focal_loss(x, bits, alpha=0.25, gamma=2.0),
            losses.softmax_cross_entropy(x, p),
            losses.softmax_cross_entropy_with_integer_labels(x, labels),
            losses.multiclass_hinge_loss(x, labels),
            losses.multiclass_perceptron_loss(x, labels),
            losses.poly_loss_cross_entropy(x, hot),
        )

    def draw(rng: Rng) -> Any:
        x = scaled(rng, 4, 5, low=-1, high=1.7)
        x = some(rng, some(rng, x, rng.choice([-1, 1])), 0)
        p = rng.dirichlet(np.ones(5), 4)
        signs = rng.choice([-1.0, 1.0], (4, 5))
        return x, signs, rng.integers(0, 5, 4), p

    return Correct(function, draw)


def divergences() -> Correct:
    def function(x: Any, y: Any) -> Any:
        mine, other = jax.nn.log_softmax(x), jax.nn.log_softmax(y)
        return (
            losses.kl_divergence(mine, jnp.exp(other)),
            losses.kl_divergence_with_log_targets(mine, other),
            losses.generalized_kl_divergence(mine, jnp.exp(other)),
            losses.safe_softmax_cross_entropy(x, jnp.exp(other)),
            losses.ntxent(x, jnp.arange(4) // 2, temperature=0.5),
            losses.triplet_margin_loss(x, y, y[::-1], margin=1.0),
        )

    def draw(rng: Rng) -> Any:
        return scaled(rng, 4, 5, low=-0.5, high=0.7), rng.normal(size=(4, 5))

    return Correct(function, draw)


def alignments() -> Correct:
    """Sentences and labels of unequal lengths, repeated labels."""

    def function(logits: Any, paddings: Any, labels: Any, more: Any) -> Any:
        return losses.ctc_loss(logits, paddings, labels, more)

    def draw(rng: Rng) -> Any:
        lengths = rng.integers(6, 9, (3, 1))
        paddings = (np.arange(8) >= lengths).astype(np.float32)
        more = (np.arange(3) >= rng.integers(1, 4, (3, 1))).astype(np.float32)
        labels = rng.integers(1, 5, (3, 3))
        return scaled(rng, 3, 8, 5, low=-1, high=1), paddings, labels, more

    return Correct(function, draw)


def after_a_step() -> Correct:
    """Of parameters and learning rate: the loss after one clipped step of AdamW."""

    def loss(params: Any, x: Any, y: Any) -> Any:
        return jnp.mean((jnp.tanh(x @ params["w"] + params["b"]) - y) ** 2)

    def function(given: Any, x: Any, y: Any) -> Any:
        params, rate = given["params"], jnp.exp(given["log_rate"])
        optimizer = optax.chain(
            optax.clip_by_global_norm(0.1),
            optax.adamw(rate, eps_root=1e-6, weight_decay=1e-2),
        )
        gradients = jax.grad(loss)(params, x, y)
        updates, _ = optimizer.update(gradients, optimizer.init(params), params)
        return loss(optax.apply_updates(params, updates), x, y)

    def draw(rng: Rng) -> Any:
        params = {"w": scaled(rng, 4, 3, low=-1, high=0), "b": np.zeros(3)}
        given = {"params": params, "log_rate": rng.uniform(-7, -1)}
        return given, rng.normal(size=(6, 4)), rng.normal(size=(6, 3))

    return Correct(function, draw)


def descent() -> Correct:
    """Three steps of momentum in a scan, by the starting point."""

    def loss(w: Any, x: Any, y: Any) -> Any:
        return jnp.mean(losses.huber_loss(x @ w, y))

    def function(w: Any, x: Any, y: Any) -> Any:
        optimizer = optax.sgd(0.1, momentum=0.9, nesterov=True)

        def step(state: Any, _: Any) -> Any:
            w, own = state
            updates, own = optimizer.update(jax.grad(loss)(w, x, y), own)
            return (optax.apply_updates(w, updates), own), None

        (last, _), _ = jax.lax.scan(step, (w, optimizer.init(w)), None, length=3)
        return loss(last, x, y)

    def draw(rng: Rng) -> Any:
        return scaled(rng, 3, low=-1), rng.normal(size=(7, 3)), rng.normal(size=7)

    return Correct(function, draw)


def onto_sets() -> Correct:
    """Projections are piecewise smooth: some of the points lie inside already."""

    def function(x: Any) -> Any:
        return (
            projections.projection_simplex(x),
            projections.projection_l1_ball(x),
            projections.projection_l2_ball(x),
            projections.projection_box(x, -1.0, 1.0),
            losses.sparsemax_loss(x, jnp.ones(6)),
        )

    return Correct(function, lambda rng: (some(rng, scaled(rng, 6, low=-1), 1),))


LOSSES: dict[str, Callable[[], Correct]] = {
    "Optax regression losses": regression,
    "Optax classification losses": classification,
    "Optax divergences": divergences,
    "Optax CTC loss": alignments,
    "Optax loss after a step of AdamW": after_a_step,
    "Optax loss after three steps of momentum": descent,
    "Optax projections": onto_sets,
}
