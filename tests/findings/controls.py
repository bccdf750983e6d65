"""Healthy trainings, measured in one pass at the first step and after some more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxdebug as jd
from jaxdebug.findings import Finding
from jaxdebug.findings.rules import rules
from tests.findings import healthy_models as models

STEPS = 10
"""Training steps between the first and the second pass."""

Draw = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]


class Control(NamedTuple):
    """A healthy training.

    Attributes:
        model: makes logits; a batch's inputs are its only argument.
        draw: inputs and labels of one batch.
        optimizer: what updates the parameters.
        weights: of the classes, in the loss.
        scale: of the loss, divided out of the gradients.
    """

    model: nn.Module
    draw: Draw
    optimizer: optax.GradientTransformation = optax.adam(1e-3)
    weights: tuple[float, ...] = (1.0,) * 20
    scale: float = 1.0


def rows(width: int = 12, count: int = 32) -> Draw:
    def draw(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x = random.standard_normal((count, width)).astype(np.float32)
        return x, (np.abs(x[:, 0]) * 5).astype(np.int32) % 10

    return draw


def raw_rows(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x = random.integers(0, 256, (64, 12)).astype(np.float32)
    return x, (x[:, 0] / 26).astype(np.int32)


def images(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Strokes on blank paper: three quarters of the pixels are zero."""
    ink = random.random((32, 8, 8, 1)) * (random.random((32, 8, 8, 1)) < 0.5)
    ink[:, :2] = ink[:, :, 6:] = 0
    return ink.astype(np.float32), random.integers(0, 10, 32)


def sentences(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Token ids, padded with zeros to one length."""
    tokens = random.integers(1, 20, (8, 13))
    lengths = random.integers(1, 13, (8, 1))
    tokens = np.where(np.arange(13) <= lengths, tokens, 0)
    return tokens[:, :-1], tokens[:, 1:]


def sequences(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x = random.standard_normal((16, 40, 3)).astype(np.float32)
    return x, (np.abs(x[:, -1, 0]) * 5).astype(np.int32) % 10


def imbalanced(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x, _ = rows()(random)
    labels = (np.arange(32) == 0).astype(np.int32)
    x[0] += 1
    return x, labels


def only_head(params: Any) -> Any:
    """Labels the parameters: everything but the last layer is frozen."""
    return jax.tree.map_with_path(
        lambda path, _: "train" if path[0].key == "Dense_1" else "freeze", params
    )


FROZEN = optax.multi_transform(
    {"train": optax.adam(1e-3), "freeze": optax.set_to_zero()}, only_head
)
PRECISE = optax.adamw(1e-6, weight_decay=1e-2)
HALF = models.Transformer(dtype=jnp.float16)

CONTROLS = {
    "relu network on blank images": Control(models.ReluNet(), images),
    "frozen backbone": Control(models.ReluNet(), images, FROZEN),
    "zero residual branches and readout": Control(models.Fixup(), rows()),
    "zero readout, batch of one": Control(models.Fixup(), rows(count=1)),
    "masked and padded attention": Control(models.Transformer(), sentences),
    "scan over layers with layer scale": Control(
        models.Transformer(scanned=True), sentences
    ),
    "raw inputs into a batch norm": Control(models.Normalised(), raw_rows),
    "large learning rate with momentum": Control(
        models.ReluNet(), images, optax.sgd(0.1, momentum=0.9)
    ),
    "tiny learning rate": Control(models.Transformer(layers=2), sentences, PRECISE),
    "accumulated gradients": Control(
        models.Plain(2), rows(), optax.MultiSteps(optax.adam(1e-3), 4)
    ),
    "imbalanced classes": Control(
        models.Plain(3), imbalanced, weights=(1.0, 31.0) + (0.0,) * 18
    ),
    "sparse experts": Control(models.Mixture(), rows()),
    "sparse experts, small batch": Control(models.Mixture(), rows(count=8)),
    "batch of one": Control(models.Plain(4), rows(count=1)),
    "plain relu network": Control(models.Plain(12), rows()),
    "narrow waist": Control(models.Autoencoder(), rows()),
    "heads in parallel": Control(models.Heads(), rows()),
    "named heads in parallel": Control(
        models.Heads(("value", "policy", "state", "reward", "next", "done", "goal")),
        rows(),
    ),
    "recurrence over time": Control(models.Recurrent(), sequences),
    "float16 with a loss scale": Control(HALF, sentences, scale=1024.0),
    "bfloat16": Control(models.Transformer(dtype=jnp.bfloat16), sentences),
}


def loss_of(control: Control, params: Any, statistics: Any, x: Any, y: Any) -> Any:
    """The weighted loss of a control, and its new statistics."""
    variables = {"params": params, **statistics}
    logits, new = control.model.apply(variables, x, mutable=["batch_stats"])
    logits = jnp.asarray(logits, jnp.float32)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, y)
    weights = jnp.asarray(control.weights)[y]
    return control.scale * (losses * weights).sum() / weights.sum(), new


@cache
def programs(name: str) -> tuple[Callable[..., Any], Callable[..., Any], Any]:
    """How to initialise, to train, and to measure one step of a control."""
    control = CONTROLS[name]

    loss_fn = partial(loss_of, control)

    def step(state: Any, x: jax.Array, y: jax.Array) -> Any:
        params, statistics, optimizer_state = state
        gradient = jax.grad(loss_fn, has_aux=True)
        gradients, statistics = gradient(params, statistics, x, y)
        gradients = jax.tree.map(lambda g: g / control.scale, gradients)
        updates, optimizer_state = control.optimizer.update(
            gradients, optimizer_state, params
        )
        return optax.apply_updates(params, updates), statistics, optimizer_state

    def init(key: jax.Array, x: jax.Array) -> Any:
        statistics = dict(control.model.init(key, x))
        params = statistics.pop("params")
        return params, statistics, control.optimizer.init(params)

    return jax.jit(init), jax.jit(step), jax.jit(jd.probe(step))


def passes(name: str, seed: int) -> Iterator[list[Finding]]:
    """The findings at the first step of a control, and some steps later."""
    init, step, probed = programs(name)
    random = np.random.default_rng(seed)
    state = init(jax.random.key(seed), CONTROLS[name].draw(random)[0])
    for _ in range(2):
        batch = CONTROLS[name].draw(random)
        _, statistics = probed(state, *batch)
        yield rules(list(statistics))
        for _ in range(STEPS):
            state = step(state, *CONTROLS[name].draw(random))


def warnings(name: str, seed: int) -> list[Finding]:
    """What a control raises above info, at both passes."""
    return [
        finding
        for findings in passes(name, seed)
        for finding in findings
        if finding.severity != "info"
    ]
