"""Tiny trainings under watch, each long enough for its trends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxdebug as jd
from jaxdebug.findings import Finding, Severity
from jaxdebug.findings.pages.trends import PAGES

STEPS = 210
X = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)


def parameters(dtype: Any = jnp.float32) -> Any:
    """An encoder and a head."""
    random = np.random.default_rng(1)
    w = jnp.asarray(random.normal(size=(4, 5)), dtype)
    v = jnp.asarray(random.normal(size=(5, 3)), dtype)
    return {
        "encoder": {"w": w, "b": jnp.zeros(5, dtype)},
        "head": {"w": v, "b": jnp.zeros(3, dtype)},
    }


def encode(params: Any, x: Any) -> Any:
    return jnp.tanh(x @ params["encoder"]["w"] + params["encoder"]["b"])


def read(params: Any, h: Any) -> Any:
    out = h @ params["head"]["w"] + params["head"]["b"]
    return jnp.mean((out - 1.0) ** 2)


def loss_of(params: Any, x: Any) -> Any:
    return read(params, encode(params, x))


def train(
    optimizer: optax.GradientTransformation,
    *,
    loss: Callable[[Any, Any], Any] = loss_of,
    apply: Callable[[Any, Any], Any] = optax.apply_updates,
    dtype: Any = jnp.float32,
    steps: int = STEPS,
    eventful: bool = False,
    **settings: Any,
) -> list[Finding]:
    """Findings of a training of the two layers; `eventful` if events are expected."""
    params = parameters(dtype)
    state = optimizer.init(params)

    @jax.jit
    def step(params: Any, state: Any, x: Any) -> Any:
        value, gradient = jax.value_and_grad(loss)(params, x)
        updates, state = optimizer.update(gradient, state, params)
        return apply(params, updates), state, value

    with jd.watch(step, every=50, **settings) as watched:
        for i in range(steps):
            batch = X * (1 + 0.01 * (i % 7))
            params, state, _ = watched(params, state, batch)
    assert bool(watched.history.events) == eventful
    return of_trends(watched)


def of_trends(watched: Any) -> list[Finding]:
    """What was found over the steps of a training; not in its samples alone."""
    codes = [page.code for page in PAGES]
    return [one for one in watched.history.findings if one.code in codes]


def alarms(findings: list[Finding]) -> list[tuple[str, str]]:
    """Code and place of each finding that is more than information."""
    loud = [f for f in findings if f.severity is not Severity.INFO]
    return [(finding.code, finding.where) for finding in loud]
