"""Healthy ways in which small parts of losses and steps are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from tests.lint.mistake import CE, CLASSES, W, X, normal

Made = tuple[Callable[..., Any], tuple[Any, ...]]
sm = jax.nn.softmax


def of(loss: Callable[..., Any], *args: Any) -> Callable[[], Made]:
    """A loss, and what it is given: weights, inputs and classes by default."""
    return lambda: (loss, args or (W, X, CLASSES))


def t5(w: Any, x: Any, y: Any) -> Any:
    ctx = jnp.arange(16)[:, None]
    mem = jnp.arange(16)[None]
    rel = mem - ctx
    n = jnp.maximum(-rel, 0)
    me = 4
    small = n < me
    large = me + (
        jnp.log(n.astype(jnp.float32) / me) / jnp.log(128 / me) * (8 - me)
    ).astype(jnp.int32)
    large = jnp.minimum(large, 7)
    b = jnp.where(small, n, large)
    tab = jnp.concatenate([w, w])[:8]
    return tab[b].sum() + x.sum() + y.sum()


def clip_step(w: Any, x: Any, y: Any) -> Any:
    g = jax.grad(lambda w: CE(x @ w, y).mean())(w)
    n = jnp.sqrt(jnp.sum(g**2))
    return w - 0.1 * g * jnp.minimum(1.0, 1.0 / n)


def clip2(w: Any, x: Any, y: Any) -> Any:
    g = jax.grad(lambda w: CE(x @ w, y).mean())(w)
    n = jnp.linalg.norm(g)
    return w - 0.1 * jnp.where(n > 1, g / n, g)


def clip3(w: Any, x: Any, y: Any) -> Any:
    g = jax.grad(lambda w: CE(x @ w, y).mean())(w)
    n = jnp.linalg.norm(g)
    return w - 0.1 * g / jnp.maximum(n, 1.0)


IDIOMS: dict[str, Callable[[], Made]] = {
    "t5": of(t5),
    "clipped step": of(clip_step),
    "clipped by where": of(clip2),
    "clipped by maximum": of(clip3),
    "wmt2": of(
        lambda w, x, y: (
            (CE(x @ w, y) * jnp.where(y > 0, 1.0, 0.0)).sum()
            / jnp.where(y > 0, 1.0, 0.0).sum()
        )
    ),
    "cos guard": of(
        lambda w, x, y: (lambda z, n: (z / jnp.where(n < 1e-06, 1.0, n)).mean())(
            x @ w, jnp.sqrt(jnp.sum((x @ w) ** 2, -1, keepdims=True) + 1e-12)
        )
    ),
    "adam": of(
        lambda w, m, v, g: (
            w - 0.001 * (0.9 * m + 0.1 * g) / (jnp.sqrt(0.99 * v + 0.01 * g**2) + 1e-08)
        ),
        W,
        W,
        W,
        W,
    ),
    "lnclip": of(
        lambda w, x, y: -jnp.log(sm(x @ w).clip(1e-09))[jnp.arange(6), y].mean()
    ),
    "lnwhere": of(
        lambda w, x, y: (
            -jnp.log(jnp.where(sm(x @ w) > 0, sm(x @ w), 1e-09))[
                jnp.arange(6), y
            ].mean()
        )
    ),
    "temp": of(
        lambda p, x, y: (
            CE(x @ p["w"] / jnp.exp(p["t"]), y).mean()
            + CE(x @ p["w"] / jax.nn.softplus(p["t"]), y).mean()
        ),
        {"w": W, "t": normal()},
        X,
        CLASSES,
    ),
    "gauss": of(
        lambda p, x, y: (lambda m, s: (jnp.log(s) + 0.5 * ((y - m) / s) ** 2).mean())(
            (x @ p)[:, 0], jax.nn.softplus((x @ p)[:, 1]) + 0.0001
        )
    ),
    "gauss2": of(
        lambda p, x, y: (lambda m, s: (jnp.log(s) + 0.5 * ((y - m) / s) ** 2).mean())(
            (x @ p)[:, 0], jnp.exp((x @ p)[:, 1])
        )
    ),
    "elu1": of(lambda p, x, y: jnp.log(jax.nn.elu(x @ p) + 1 + 1e-06).mean()),
    "harm": of(lambda p, x, y: ((x @ p).cumsum(0) / jnp.arange(1, 7)[:, None]).mean()),
    "mask renorm": of(
        lambda p, x, y: (lambda q: CE(q / q.sum(-1, keepdims=True), y).mean())(
            sm(x @ p) * (x[:, :3] > 0) + 1e-09
        )
    ),
    "logcosh": of(lambda p, x, y: jnp.log(jnp.cosh(x @ p)).mean()),
    "charb": of(lambda p, x, y: jnp.sqrt((x @ p) ** 2 + 1e-06).mean()),
    "huber": of(
        lambda p, x, y: (lambda e: jnp.where(e < 1, 0.5 * e**2, e - 0.5))(
            jnp.abs(x @ p)
        ).mean()
    ),
    "rms": of(
        lambda p, x, y: (
            x @ p / jnp.sqrt(jnp.mean((x @ p) ** 2, -1, keepdims=True) + 1e-06)
        ).max()
    ),
    "inv sig": of(lambda p, x, y: (1 / (1 + jnp.exp(-(x @ p)))).mean()),
    "quat": of(
        lambda p, x, y: (
            lambda q: q / jnp.sqrt(1e-08 + (q * q).sum(-1, keepdims=True))
        )(x @ p).mean()
    ),
    "gini": of(lambda p, x, y: (1 - (sm(x @ p) ** 2).sum(-1)).mean()),
    "power": of(lambda p, x, y: ((1 - sm(x @ p)[:, 0]) ** 2.5).mean()),
    "pow gamma": of(lambda p, x, y: ((1 - jax.nn.sigmoid(x @ p)) ** y[:, None]).mean()),
    "barlow": of(
        lambda p, x, y: (lambda a: ((a.T @ a / 6 - jnp.eye(3)) ** 2).sum())(
            (x @ p - (x @ p).mean(0)) / jnp.sqrt((x @ p).var(0) + 1e-05)
        )
    ),
    "vicreg": of(
        lambda p, x, y: jax.nn.relu(1 - jnp.sqrt((x @ p).var(0) + 0.0001)).mean()
    ),
    "simclr": of(
        lambda p, x, y: (
            lambda z: CE(
                z @ z.T / 0.1 - 1000000000.0 * jnp.eye(6), (jnp.arange(6) + 3) % 6
            ).mean()
        )(x @ p * lax.rsqrt(((x @ p) ** 2).sum(-1, keepdims=True) + 1e-12))
    ),
    "ste": of(
        lambda p, x, y: (
            lambda z: CE(z + lax.stop_gradient(jnp.sign(z) - z), y).mean()
        )(x @ p)
    ),
    "sparsemax": of(
        lambda p, x, y: optax.projections.projection_simplex((x @ p)[0]).sum()
    ),
    "median": of(lambda p, x, y: jnp.median(jnp.abs(x @ p))),
    "microbatch": of(
        lambda p, x, y: lax.map(
            lambda b: CE(b[0] @ p, b[1]).mean(), (x.reshape(2, 3, 5), y.reshape(2, 3))
        ).mean()
    ),
    "seqflat": of(
        lambda p, x, y: CE((x.reshape(-1, 5) @ p).reshape(4, 6, 3), y).mean(),
        W,
        normal(4, 6, 5),
        np.zeros((4, 6), int),
    ),
    "pixel shuffle": of(
        lambda p, x, y: (
            (
                x.reshape(4, 2, 2, 2, 2, 3)
                .transpose(0, 1, 3, 2, 4, 5)
                .reshape(4, 4, 4, 3)
                @ p
            ).mean((1, 2, 3))
            * y
        ).mean(),
        normal(3, 2),
        normal(4, 2, 2, 12),
        normal(4),
    ),
    "group": of(lambda p, x, y: (x.reshape(6, 1, 5) @ p).squeeze(1).mean() + y.sum()),
    "scores T": of(
        lambda p, x, y: jnp.mean(
            jax.nn.relu(
                1 - (x @ p[:, :1] - (x @ p[:, :1]).T) * jnp.sign(y[:, None] - y[None])
            )
        )
    ),
    "fft": of(lambda p, x, y: jnp.log(jnp.abs(jnp.fft.rfft(x @ p)) + 1e-06).mean()),
    "bf16": of(
        lambda p, x, y: CE(
            (x.astype(jnp.bfloat16) @ p.astype(jnp.bfloat16)).astype(jnp.float32), y
        ).mean()
    ),
}
