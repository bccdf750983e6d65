"""Healthy losses as people write them, full of logs, roots, norms and wheres."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from tests.lint.healthy_idioms import IDIOMS
from tests.lint.healthy_modules import MODULES

Made = tuple[Callable[..., Any], tuple[Any, ...]]
"""A loss, and its arguments, the parameters first."""

RANDOM = np.random.default_rng(0)
KEY = jax.random.key(0)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


X, Y, CLASSES = normal(6, 5), normal(6), np.arange(6) % 3
TOKENS = np.arange(24).reshape(6, 4) % 7
W, V = normal(5, 4), normal(4, 3)
CE = optax.softmax_cross_entropy_with_integer_labels


def contrastive(p: Any, x: Any, y: Any) -> Any:
    """Two towers whose embeddings have a safe norm; scores of all pairs."""
    a, b = x @ p["w"], x[:, ::-1] @ p["v"]
    a = a * lax.rsqrt(jnp.sum(a * a, -1, keepdims=True) + 1e-6)
    b = b / jnp.maximum(
        jnp.linalg.norm(lax.stop_gradient(b), axis=-1, keepdims=True), 1e-6
    )
    logits = jnp.exp(p["scale"]) * a @ b.T
    labels = jnp.arange(len(x))
    return (CE(logits, labels).mean() + CE(logits.T, labels).mean()) / 2 + 0 * y.sum()


def variational(p: Any, x: Any, key: Any) -> Any:
    h = jax.nn.relu(x @ p["w"])
    mean, log_variance = jnp.split(h @ p["m"], 2, axis=-1)
    z = mean + jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape)
    logits = jax.nn.softplus(z @ p["d"]) @ p["e"]
    kl = -0.5 * jnp.sum(1 + log_variance - mean**2 - jnp.exp(log_variance), -1)
    return (optax.sigmoid_binary_cross_entropy(logits, x > 0).sum(-1) + kl).mean()


def policy(p: Any, x: Any, action: Any, advantage: Any, old: Any) -> Any:
    """The clipped objective of a categorical policy, with its entropy."""
    logs = jax.nn.log_softmax(jnp.tanh(x @ p["w"]) @ p["v"])
    taken = jnp.take_along_axis(logs, action[:, None], axis=-1)[:, 0]
    ratio = jnp.exp(taken - old)
    scaled = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    clipped = jnp.clip(ratio, 0.8, 1.2) * scaled
    entropy = -jnp.sum(jnp.exp(logs) * logs, -1)
    return -jnp.minimum(ratio * scaled, clipped).mean() - 0.01 * entropy.mean()


def squashed(p: Any, x: Any, key: Any) -> Any:
    """A tanh-Gaussian policy, as in soft actor-critic."""
    mean, log_std = jnp.split(x @ p["w"], 2, axis=-1)
    std = jnp.exp(jnp.clip(log_std, -20, 2))
    u = mean + std * jax.random.normal(key, mean.shape)
    log = -0.5 * ((u - mean) / std) ** 2 - jnp.log(std)
    log -= jnp.log(1 - jnp.tanh(u) ** 2 + 1e-6)
    return log.sum(-1).mean()


def mixture(p: Any, x: Any, y: Any) -> Any:
    h = jnp.tanh(x @ p["w"])
    logits, mean, raw = jnp.split(h @ p["o"], 3, axis=-1)
    scale = jax.nn.softplus(raw) + 1e-3
    log = -0.5 * ((y[:, None] - mean) / scale) ** 2 - jnp.log(scale)
    return -jax.nn.logsumexp(jax.nn.log_softmax(logits) + log, axis=-1).mean()


def graph(p: Any, x: Any, senders: Any, receivers: Any, y: Any) -> Any:
    """Mean and attention over neighbours; nodes without any."""
    h = x @ p["w"]
    count = jax.ops.segment_sum(jnp.ones(len(senders)), receivers, 6)
    mean = (
        jax.ops.segment_sum(h[senders], receivers, 6) / jnp.maximum(count, 1)[:, None]
    )
    scores = jax.nn.leaky_relu(h[senders] @ p["a"] + h[receivers] @ p["b"])
    top = jax.ops.segment_max(scores, receivers, 6)
    e = jnp.exp(scores - lax.stop_gradient(top)[receivers])
    share = e / (jax.ops.segment_sum(e, receivers, 6)[receivers] + 1e-9)
    mixed = jax.ops.segment_sum(share[:, None] * h[senders], receivers, 6)
    return CE(jax.nn.relu(mean + mixed) @ p["v"], y).mean()


def quantised(p: Any, x: Any) -> Any:
    z = jnp.tanh(x @ p["w"])
    distance = jnp.sum((z[:, None] - p["codes"][None]) ** 2, -1)
    code = p["codes"][jnp.argmin(distance, -1)]
    commit = jnp.mean((z - lax.stop_gradient(code)) ** 2)
    codebook = jnp.mean((lax.stop_gradient(z) - code) ** 2)
    z = z + lax.stop_gradient(code - z)
    return jnp.mean((z @ p["d"] - x) ** 2) + codebook + 0.25 * commit


def crf(p: Any, x: Any, tags: Any) -> Any:
    """A linear chain: the normaliser by a scan of logsumexp."""
    scores = x[..., None] * p["u"]

    def forward(alpha: Any, score: Any) -> Any:
        return jax.nn.logsumexp(alpha[:, :, None] + p["t"], axis=1) + score, None

    first, rest = scores[:, 0], jnp.swapaxes(scores[:, 1:], 0, 1)
    alpha, _ = lax.scan(forward, first, rest)
    path = jnp.take_along_axis(scores, tags[..., None], -1)[..., 0].sum(-1)
    path += p["t"][tags[:, :-1], tags[:, 1:]].sum(-1)
    return (jax.nn.logsumexp(alpha, -1) - path).mean()


def masked(p: Any, x: Any, y: Any, lengths: Any) -> Any:
    """Mean over real tokens; a norm that is safe at zero; a double where."""
    h = jnp.tanh(x[..., None] * p["u"])
    mask = jnp.arange(x.shape[1])[None] < lengths[:, None]
    pooled = (h * mask[..., None]).sum(1) / jnp.maximum(lengths, 1)[:, None]
    squares = jnp.sum(pooled**2, -1)
    safe = jnp.where(squares > 0, squares, 1.0)
    norm = jnp.where(squares > 0, jnp.sqrt(safe), 0.0)
    logs = jax.nn.log_softmax(pooled)
    entropy = -jnp.sum(jnp.exp(logs) * logs, -1)
    return jnp.mean((norm + entropy - y) ** 2)


def penalised(p: Any, x: Any, y: Any) -> Any:
    """A critic with a gradient penalty."""

    def critic(x: Any) -> Any:
        return jnp.tanh(x @ p["w"]) @ p["o"]

    slope = jax.vmap(jax.grad(critic))(x)
    norm = jnp.sqrt(jnp.sum(slope**2, -1) + 1e-12)
    return jnp.mean(critic(x) * y) + 10 * jnp.mean((norm - 1) ** 2)


def diffusion(p: Any, x: Any, key: Any) -> Any:
    noises, key = jax.random.split(key)
    alphas = jnp.cumprod(1 - jnp.linspace(1e-4, 0.02, 10))
    t = jax.random.randint(key, (len(x),), 0, 10)
    a = alphas[t][:, None]
    noise = jax.random.normal(noises, x.shape)
    noisy = jnp.sqrt(a) * x + jnp.sqrt(1 - a) * noise
    time = jnp.sin(t[:, None] / 10 ** (jnp.arange(5) / 5))
    return jnp.mean((jax.nn.silu((noisy + time) @ p["w"]) @ p["d"] - noise) ** 2)


def overlap(p: Any, x: Any, y: Any) -> Any:
    """Dice and focal losses, with their eps."""
    q = jax.nn.sigmoid(x @ p["w"]).mean(-1)
    t = (y > 0).astype(jnp.float32)
    dice = 1 - (2 * jnp.sum(q * t) + 1) / (jnp.sum(q) + jnp.sum(t) + 1)
    clipped = jnp.clip(q, 1e-7, 1 - 1e-7)
    focal = -t * (1 - q) ** 2 * jnp.log(clipped) - (1 - t) * q**2 * jnp.log1p(-clipped)
    return dice + focal.mean()


def experts(p: Any, x: Any, y: Any) -> Any:
    """Two of four experts, weights that add up to one again, balance."""
    share = jax.nn.softmax(x @ p["w"])
    top, chosen = lax.top_k(share, 2)
    top = top / (top.sum(-1, keepdims=True) + 1e-9)
    h = jax.nn.gelu(jnp.einsum("bi,eio->beo", x, p["e"]))
    mixed = (jnp.take_along_axis(h, chosen[..., None], 1) * top[..., None]).sum(1)
    used = jax.nn.one_hot(chosen[:, 0], 4).mean(0)
    return CE(mixed @ p["v"], y).mean() + 4 * jnp.sum(used * share.mean(0))


def adapted(p: Any, x: Any, y: Any) -> Any:
    """A low-rank adapter beside a frozen weight."""
    h = jax.nn.relu(x @ W + x @ p["a"] @ p["b"])
    return CE(h @ p["v"], y).mean()


def flow(p: Any, x: Any) -> Any:
    a, b = x[:, :2], x[:, 2:]
    scale = jnp.tanh(a @ p["s"])
    z = jnp.concatenate([a, b * jnp.exp(scale) + a @ p["t"]], -1)
    return (0.5 * jnp.sum(z**2, -1) - scale.sum(-1)).mean()


def sinkhorn(p: Any, x: Any) -> Any:
    cost = jnp.sum((x[:, None] - (x @ p["w"])[None]) ** 2, -1)

    def body(_: Any, potentials: Any) -> Any:
        f, g = potentials
        f = -jax.nn.logsumexp(g[None] - cost, axis=1)
        return f, -jax.nn.logsumexp(f[:, None] - cost, axis=0)

    f, g = lax.fori_loop(0, 5, body, (jnp.zeros(6), jnp.zeros(6)))
    plan = jnp.exp(f[:, None] + g[None] - cost)
    return jnp.sum(lax.stop_gradient(plan) * cost)


def gumbel(p: Any, x: Any, key: Any, y: Any) -> Any:
    noise = jax.random.gumbel(key, (6, 4))
    sample = jax.nn.softmax((x @ p["w"] + noise) / 0.5)
    return CE(sample @ p["v"], y).mean()


def poisson(p: Any, x: Any, y: Any) -> Any:
    rate = jax.nn.softplus(jnp.tanh(x @ p["w"]) @ p["o"])
    return jnp.mean(rate - jnp.abs(y) * jnp.log(rate + 1e-8))


def critic_of_returns(p: Any, x: Any, y: Any) -> Any:
    """Temporal differences of a value with one output for each state."""

    def value(x: Any) -> Any:
        return (jax.nn.relu(x @ p["w"]) @ p["o"][:, None]).squeeze(-1)

    target = y + 0.9 * lax.stop_gradient(value(x[:, ::-1]))
    return optax.huber_loss(value(x), target).mean()


P = {"w": W, "v": V, "o": normal(4)}
HEALTHY: dict[str, Callable[[], Made]] = {
    **MODULES,
    **IDIOMS,
    "contrastive": lambda: (contrastive, ({"w": W, "v": W, "scale": Y[0]}, X, Y)),
    "variational": lambda: (
        variational,
        ({"w": W, "m": normal(4, 4), "d": normal(2, 8), "e": normal(8, 5)}, X, KEY),
    ),
    "policy": lambda: (policy, ({"w": W, "v": V}, X, CLASSES, Y, Y)),
    "squashed": lambda: (squashed, ({"w": W}, X, KEY)),
    "mixture": lambda: (mixture, ({"w": W, "o": normal(4, 6)}, X, Y)),
    "graph": lambda: (
        graph,
        (
            {"w": W, "a": Y[:4], "b": Y[:4], "v": V},
            X,
            np.arange(9) % 6,
            np.arange(9) % 5,
            CLASSES,
        ),
    ),
    "quantised": lambda: (
        quantised,
        ({"w": W, "codes": normal(3, 4), "d": normal(4, 5)}, X),
    ),
    "crf": lambda: (
        crf,
        (
            {"u": normal(3), "t": normal(3, 3)},
            X,
            TOKENS[:, :1] % 3 + np.zeros((6, 5), int),
        ),
    ),
    "masked": lambda: (masked, ({"u": normal(3)}, X, Y, CLASSES)),
    "penalised": lambda: (penalised, ({"w": W, "o": Y[:4]}, X, Y)),
    "diffusion": lambda: (diffusion, ({"w": W, "d": normal(4, 5)}, X, KEY)),
    "overlap": lambda: (overlap, ({"w": W}, X, Y)),
    "experts": lambda: (
        experts,
        ({"w": W, "e": normal(4, 5, 4), "v": V}, X, CLASSES),
    ),
    "adapted": lambda: (
        adapted,
        ({"a": normal(5, 2), "b": normal(2, 4), "v": V}, X, CLASSES),
    ),
    "flow": lambda: (flow, ({"s": normal(2, 3), "t": normal(2, 3)}, X)),
    "sinkhorn": lambda: (sinkhorn, ({"w": normal(5, 5)}, X)),
    "gumbel": lambda: (gumbel, ({"w": W, "v": V}, X, KEY, CLASSES)),
    "poisson": lambda: (poisson, ({"w": W, "o": Y[:4]}, X, Y)),
    "returns": lambda: (critic_of_returns, ({"w": W, "o": Y[:4]}, X, Y)),
}
