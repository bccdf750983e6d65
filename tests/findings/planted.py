"""Faults of initialisation, scale and precision, each with the finding it must give."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxdebug as jd
from jaxdebug.findings import Finding
from jaxdebug.findings.rules import rules

Initializer = Callable[..., Any]


class Net(nn.Module):
    """A plain network with one thing that may be wrong with it."""

    layers: int = 8
    activation: Callable[..., Any] = nn.relu
    start: Initializer = nn.initializers.he_normal()
    head_init: Initializer = nn.initializers.lecun_normal()
    bias: float = 0.0
    at: int = 3
    gain: float = 1.0
    dtype: Any = None
    break_at: Callable[[jax.Array], jax.Array] = lambda x: x

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for index in range(self.layers):
            here = index == self.at
            bias = nn.initializers.constant(self.bias if here else 0.0)
            dense = nn.Dense(
                32, kernel_init=self.start, bias_init=bias, dtype=self.dtype
            )
            x = self.activation(dense(x * (self.gain if here else 1.0)))
            if here:
                x = Breaks(self.break_at, name="suspect")(x)
        return nn.Dense(10, kernel_init=self.head_init, dtype=self.dtype)(x)


class Breaks(nn.Module):
    """Applies a function under a name of its own."""

    function: Callable[[jax.Array], jax.Array]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return self.function(x)


class Layer(nn.Module):
    """The body of a scan over layers."""

    activation: Callable[..., Any]

    @nn.compact
    def __call__(self, x: jax.Array, _: None) -> tuple[jax.Array, None]:
        return self.activation(nn.Dense(32)(x)), None


class Scanned(nn.Module):
    """The same layers as iterations of a scan."""

    activation: Callable[..., Any] = nn.tanh

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        body = nn.scan(
            Layer, variable_axes={"params": 0}, split_rngs={"params": True}, length=12
        )
        x, _ = body(self.activation, name="layers")(nn.Dense(32)(x), None)
        return nn.Dense(10)(x)


class Named(nn.Module):
    """Layers that have names of their own."""

    activation: Callable[..., Any]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for name in ("stem", "early", "middle", "late", "deep", "deeper", "deepest"):
            x = self.activation(nn.Dense(32, name=name)(x))
        return nn.Dense(10, name="head")(x)


class Attention(nn.Module):
    """One head whose scores are not divided by anything."""

    gain: float = 1.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = x.reshape(x.shape[0], 4, -1)
        q, k, v = (nn.Dense(16, name=name)(x) for name in ("query", "key", "value"))
        weights = Breaks(nn.softmax, name="weights")(
            self.gain * jnp.einsum("bqd,bkd->bqk", q, k)
        )
        return nn.Dense(10)((weights @ v).reshape(x.shape[0], -1))


class Planted(NamedTuple):
    """A fault.

    Attributes:
        model: with the fault.
        code: of the finding it must give.
        where: the end of the finding's place.
        healthy: the same model without the fault.
        loss_gain: multiplies the loss.
    """

    model: nn.Module
    code: str
    where: str
    healthy: nn.Module = Net()
    loss_gain: float = 1.0


def nan_at_zero(x: jax.Array) -> jax.Array:
    """Finite, with an infinite slope in the branch that is not taken."""
    return jnp.where(x > 1e9, jnp.sqrt(x * 0), x)


normal, constant = nn.initializers.normal, nn.initializers.constant
lecun, zeros = nn.initializers.lecun_normal(), nn.initializers.zeros
FLAT = Net(8, nn.sigmoid, lecun)
HALF = Net(3, dtype=jnp.float16)

PLANTED = {
    "20 layers of sigmoid": Planted(
        Net(20, nn.sigmoid, lecun), "vanishing-gradient", "Net/Dense_0"
    ),
    "8 layers of sigmoid": Planted(FLAT, "vanishing-gradient", "Net/Dense_0"),
    "a scan over layers of sigmoid": Planted(
        Scanned(nn.sigmoid), "vanishing-gradient", "layers #0", Scanned()
    ),
    "layers of sigmoid with names of their own": Planted(
        Named(nn.sigmoid), "vanishing-gradient", "Named/stem", Named(nn.tanh)
    ),
    "gradients of a tiny initialiser": Planted(
        Net(6, nn.tanh, normal(1e-4)), "vanishing-gradient", "Net/Dense_0"
    ),
    "signals of a tiny initialiser": Planted(
        Net(6, nn.tanh, normal(1e-4)), "activation-drift", "Net/Dense_6"
    ),
    "gradients of a large initialiser": Planted(
        Net(10, start=normal(1.0)), "exploding-gradient", "Net/Dense_0"
    ),
    "signals of a large initialiser": Planted(
        Net(10, start=normal(1.0)), "activation-drift", "Net/Dense_10"
    ),
    "a large negative bias": Planted(Net(bias=-50.0), "dead-units", "Dense_3"),
    "tanh of large inputs": Planted(
        Net(5, nn.tanh, lecun, gain=1e3),
        "saturated-units",
        "Dense_3",
        Net(5, nn.tanh, lecun),
    ),
    "attention without a scale": Planted(
        Attention(1e4), "saturated-softmax", "weights", Attention(0.25)
    ),
    "constant weights": Planted(
        Net(3, start=constant(0.02)), "constant-weights", "Dense_0/kernel"
    ),
    "zero weights": Planted(
        Net(3, start=zeros, head_init=zeros), "stuck-at-zero", "kernel"
    ),
    "a mean over very much in float16": Planted(
        HALF, "underflow-risk", "", HALF, loss_gain=1e-5
    ),
    "activations near the end of float16": Planted(
        HALF.clone(break_at=lambda x: x * (3e4 / jnp.max(x)), at=1),
        "overflow-risk",
        "",
        HALF,
    ),
    "a logarithm of zero": Planted(
        Net(break_at=lambda x: x + 0 * jnp.log(x * 0)), "nonfinite-layer", "suspect"
    ),
    "a root of zero in an unused branch": Planted(
        Net(break_at=nan_at_zero), "nonfinite-cotangent", ""
    ),
}


@cache
def programs(name: str, faulty: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """How to initialise and how to measure a model with or without its fault."""
    fault = PLANTED[name]
    model = fault.model if faulty else fault.healthy
    gain = fault.loss_gain if faulty else 1.0
    optimizer = optax.adam(1e-3)

    def loss_fn(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        logits: Any = model.apply({"params": params}, x)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, y)
        return gain * losses.astype(jnp.float32).mean()

    def step(state: Any, x: jax.Array, y: jax.Array) -> Any:
        params, optimizer_state = state
        gradients = jax.grad(loss_fn)(params, x, y)
        updates, optimizer_state = optimizer.update(gradients, optimizer_state)
        return optax.apply_updates(params, updates), optimizer_state

    def init(key: jax.Array, x: jax.Array) -> Any:
        params = model.init(key, x)["params"]
        return params, optimizer.init(params)

    return jax.jit(init), jax.jit(jd.probe(step))


def findings_of(name: str, seed: int, *, faulty: bool = True) -> list[Finding]:
    """The findings of one pass at the first step."""
    init, probed = programs(name, faulty)
    random = np.random.default_rng(seed)
    x = random.standard_normal((64, 16)).astype(np.float32)
    y = random.integers(0, 10, 64)
    _, statistics = probed(init(jax.random.key(seed), x), x, y)
    return rules(list(statistics))


def detected(name: str, seed: int) -> bool:
    """Whether the fault's code is a warning or worse, and the first at its place."""
    fault = PLANTED[name]
    first = next((f for f in findings_of(name, seed) if f.code == fault.code), None)
    return (
        first is not None
        and first.severity != "info"
        and first.where.endswith(fault.where)
    )


def quiet(name: str, seed: int) -> bool:
    """Whether the model without the fault raises nothing above info."""
    return all(f.severity == "info" for f in findings_of(name, seed, faulty=False))
